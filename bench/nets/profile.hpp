#pragma once

// Where a training step's time goes, op by op.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <firecaffe/cpu.hpp>
#include <firecaffe/network/model.hpp>
#include <firecaffe/network/summary.hpp>
#include <firecaffe/solvers/sgd.hpp>
#include <vector>

#include "nets.hpp"

namespace fc = firecaffe;

// What a pass of one op does and took, for the whole batch.
struct op_pass {
  double seconds = 0, flops = 0, bytes = 0;
};

inline double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// The work of op I: floating-point operations, and the bytes of each array it has to read or write once.
template <class Net>
struct op_work_of {
  static constexpr auto& the_plan = fc::plan<Net, fc::cpu>;
  static constexpr auto& the_parameters = fc::parameters_of<Net, fc::cpu>;

  static double bytes(int value) {
    const fc::planned_value& v = the_plan.values[value];
    return v.used ? 4.0 * double(fc::cpu::value_layout(v.extents).sample) : 0;
  }

  template <int I>
  static void add(std::vector<op_pass>& forward, std::vector<op_pass>& backward, int batch) {
    constexpr fc::planned_op o = the_plan.ops[I];
    const fc::summary_row row = fc::summary_table<Net, fc::cpu>::template row<I>();
    double weights = 0, in = 0;
    for (int p = 0; p < the_parameters.count; ++p)
      if (the_parameters.list[p].op == I) weights += 4.0 * double(the_parameters.list[p].stored.extent);
    bool wants_input = false;
    for (int k = 0; k < the_plan.operand_count(o); ++k) {
      const int v = the_plan.operand(o, k);
      const bool moves = o.kind != fc::op_kind::concat || !the_plan.sliced[o.first_operand + k];
      if (moves) in += bytes(v);
      wants_input = wants_input || the_plan.values[v].gradient;
    }
    const double out = o.output < 0 ? 0 : o.kind == fc::op_kind::concat ? in : bytes(o.output);
    forward[I].flops = batch * double(row.flops), forward[I].bytes = batch * (in + out) + weights;
    if (!o.backward) return;
    bool needs_input = o.kind == fc::op_kind::loss, needs_output = o.fused_leaf >= 0;
    if constexpr (o.kind == fc::op_kind::transform) {
      needs_input = needs_input || fc::leaf_of<Net, o.leaf>::backward_needs_input;
      needs_output = needs_output || fc::leaf_of<Net, o.leaf>::backward_needs_output;
    }
    backward[I].flops = forward[I].flops * ((weights > 0) + wants_input);
    backward[I].bytes =
        batch * (out + in * (needs_input + wants_input) + out * needs_output) + weights * (1 + wants_input);
  }
};

template <class Net>
void profile(const profile_arguments& a, const machine_peaks& peak) {
  using net_model = fc::model<Net, fc::cpu>;
  using clock = std::chrono::steady_clock;
  constexpr int ops = net_model::op_count;
  net_model m(fc::cpu{a.threads}, a.batch);
  const auto elements = std::size_t(m.the_plan.values[0].extents.elements());
  std::vector<float> values(elements * std::size_t(a.batch));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = float(fc::random_unit({1, 0, 0, fc::random_use::test, 0}, i));
  std::vector<std::int32_t> labels;
  for (int i = 0; i < a.batch; ++i) labels.push_back(i % 10);

  std::vector<op_pass> forward(ops), backward(ops);
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (op_work_of<Net>::template add<I>(forward, backward, a.batch), ...);
  }
  (std::make_integer_sequence<int, ops>{});

  std::vector<std::vector<double>> times(2 * ops);
  std::vector<double> steps;
  for (int step = -2; step < a.steps; ++step) {  // the first two warm up
    m.load(values.data(), a.batch);
    m.load_labels(labels.data());
    const fc::pass now{.training = true, .seed = 1, .step = std::uint32_t(step + 2)};
    const auto begin = clock::now();
    auto last = begin;
    auto lap = [&](int slot) {
      const auto here = clock::now();
      if (step >= 0) times[std::size_t(slot)].push_back(std::chrono::duration<double>(here - last).count());
      last = here;
    };
    m.forward(now, [&](int op) { lap(op); });
    m.backward(1.0 / a.batch, now, false, [&](int op) { lap(ops + op); });
    if (step >= 0) steps.push_back(std::chrono::duration<double>(last - begin).count());
  }
  const double whole = median(steps);
  const auto names = fc::summary_table<Net, fc::cpu>::names();
  std::fprintf(stderr,
               "%s, batch %d, %d thread(s); measured before: %.0f GFLOP/s, %.1f GB/s. `of peak`: the time that the "
               "slower of the two would take.\n%4s %-14s %-14s %5s %9s %6s %8s %7s %8s\n",
               a.net.c_str(), a.batch, a.threads, peak.flops * 1e-9, peak.bytes * 1e-9, "op", "layer", "output", "pass",
               "ms", "share", "GFLOP/s", "GB/s", "of peak");
  double ideal = 0;
  auto print = [&](int op, const char* pass, op_pass p, const std::vector<double>& samples) {
    p.seconds = median(samples);
    const double floor = std::max(p.flops / peak.flops, p.bytes / peak.bytes);
    ideal += floor;
    const fc::planned_op& o = net_model::the_plan.ops[op];
    const fc::shape s = net_model::the_plan.values[o.output < 0 ? o.input : o.output].extents;
    char shape[40];
    std::snprintf(shape, sizeof shape, "%dx%dx%d", s.channels, s.height, s.width);
    std::fprintf(stderr, "%4d %-14s %-14s %5s %9.3f %5.1f%% %8.1f %7.2f %8.2f\n", op, names[std::size_t(op)].c_str(),
                 shape, pass, p.seconds * 1e3, 100 * p.seconds / whole, p.flops / p.seconds * 1e-9,
                 p.bytes / p.seconds * 1e-9, floor / p.seconds);
    std::printf(
        "{\"benchmark\": \"profile\", \"net\": \"%s\", \"batch\": %d, \"threads\": %d, \"op\": %d, \"layer\": \"%s\", "
        "\"pass\": \"%s\", \"seconds\": %.6g, \"flops\": %.6g, \"bytes\": %.6g, \"of_peak\": %.4f}\n",
        a.net.c_str(), a.batch, a.threads, op, names[std::size_t(op)].c_str(), pass, p.seconds, p.flops, p.bytes,
        floor / p.seconds);
  };
  for (int i = 0; i < ops; ++i) {
    const auto op = std::size_t(i);
    if (m.the_plan.ops[i].kind != fc::op_kind::metric) print(i, "fwd", forward[op], times[op]);
    if (m.the_plan.ops[i].backward) print(i, "bwd", backward[op], times[std::size_t(ops + i)]);
  }
  std::fprintf(stderr, "forward and backward %.2f ms, %.1f images/s; at the peaks %.2f ms (%.2f)\n", whole * 1e3,
               a.batch / whole, ideal * 1e3, ideal / whole);
  std::printf(
      "{\"benchmark\": \"profile\", \"net\": \"%s\", \"batch\": %d, \"threads\": %d, \"seconds\": %.6g, "
      "\"seconds_at_peak\": %.6g, \"peak_flops\": %.4g, \"peak_bytes\": %.4g}\n",
      a.net.c_str(), a.batch, a.threads, whole, ideal, peak.flops, peak.bytes);
}
