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
#include "work.hpp"

namespace fc = firecaffe;

inline double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

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

  std::vector<pass_work> forward, backward;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (forward.push_back(op_work_of<Net, fc::cpu>::template forward<I>()), ...);
    (backward.push_back(op_work_of<Net, fc::cpu>::template backward<I>()), ...);
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
  auto print = [&](int op, const char* pass, const pass_work& work, const std::vector<double>& samples) {
    const double seconds = median(samples), flops = a.batch * work.flops, bytes = work.bytes(a.batch);
    const double floor = std::max(flops / peak.flops, bytes / peak.bytes);
    ideal += floor;
    const fc::planned_op& o = net_model::the_plan.ops[op];
    const fc::shape s = net_model::the_plan.values[o.output < 0 ? o.input : o.output].extents;
    char shape[40];
    std::snprintf(shape, sizeof shape, "%dx%dx%d", s.channels, s.height, s.width);
    std::fprintf(stderr, "%4d %-14s %-14s %5s %9.3f %5.1f%% %8.1f %7.2f %8.2f\n", op, names[std::size_t(op)].c_str(),
                 shape, pass, seconds * 1e3, 100 * seconds / whole, flops / seconds * 1e-9, bytes / seconds * 1e-9,
                 floor / seconds);
    std::printf(
        "{\"benchmark\": \"profile\", \"net\": \"%s\", \"batch\": %d, \"threads\": %d, \"op\": %d, \"layer\": \"%s\", "
        "\"pass\": \"%s\", \"seconds\": %.6g, \"flops\": %.6g, \"bytes\": %.6g, \"of_peak\": %.4f}\n",
        a.net.c_str(), a.batch, a.threads, op, names[std::size_t(op)].c_str(), pass, seconds, flops, bytes,
        floor / seconds);
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
