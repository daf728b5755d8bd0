#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "../layers/batch_norm.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "memory_plan.hpp"

namespace firecaffe {

// Stands for a device where none is named: single precision, values (N, C, H, W) and parameters as published, no
// padding. It plans and cannot run.
struct no_device {
  using scalar = float;
  using value = float;
  static constexpr const char* name = "no device in particular";
  static constexpr std::size_t alignment = 1;
  static constexpr bool slices_are_whole = true;
  static constexpr bool fuses_sums = false;
  template <class T>
  struct memory {};
  static constexpr layout value_layout(shape s) { return blocked_layout(s, 1); }
  static constexpr bool can_slice(shape, int, shape) { return true; }
  template <class Layer, class Next>
  static constexpr bool fuses = false;
};

template <int Outputs, class... Options, place In, place Out>
struct implementation<no_device, conv<Outputs, Options...>, In, Out> {
  static constexpr auto storage() { return canonical_storage<conv<Outputs, Options...>>(In.extents); }
};

template <class... Options, place In, place Out>
struct implementation<no_device, batch_norm<Options...>, In, Out> {
  static constexpr auto storage() { return canonical_storage<batch_norm<Options...>>(In.extents); }
};

// One op of a network on a device, as `summary` prints it.
struct summary_row {
  int op = 0;
  std::string name;             // conv+relu, batch_norm+sum+relu: done in one pass
  shape output;                 // of a loss or metric: its input
  std::int64_t parameters = 0;  // learnable, padding not counted
  std::int64_t flops = 0;       // forward, one sample
  std::size_t activation_bytes =
      0;                       // of one sample's result as stored, padding included; 0: it has no storage of its own
  std::size_t sent_bytes = 0;  // gradients as stored and summed over ranks, padding included
  std::string note;            // where the result lies, how much of a concat is copied, the weight of a loss
};

template <class Net, class Device, plan_options Options = plan_options{}>
struct summary_table {
  using T = typename Device::scalar;
  static constexpr auto& the_plan = plan<Net, Device, Options>;
  static constexpr auto& the_parameters = parameters_of<Net, Device, Options>;

  template <int I>
  static summary_row row() {
    constexpr planned_op o = the_plan.ops[I];
    constexpr int result = o.output < 0 ? o.input : o.output;
    summary_row r;
    r.op = I, r.name = name<I>(), r.output = the_plan.values[result].extents;
    r.flops = planned_flops<Net, Device, Options, I>();
    for (int i = 0; i < the_parameters.count; ++i) {
      if (the_parameters.list[i].op != I) continue;
      if (the_parameters.list[i].description.learnable()) r.parameters += the_parameters.list[i].description.elements();
      r.sent_bytes += round_up(the_parameters.list[i].stored.extent, Device::alignment) * sizeof(T);
    }
    if (o.output >= 0 && the_plan.values[o.output].home == o.output)
      r.activation_bytes = std::size_t(the_plan.values[o.output].strides.sample) * sizeof(typename Device::value);
    r.note = note(o);
    return r;
  }

  static std::vector<std::string> names() {
    return []<int... I>(std::integer_sequence<int, I...>) { return std::vector<std::string>{name<I>()...}; }
    (std::make_integer_sequence<int, the_plan.op_count>{});
  }

 private:
  template <int I>
  static std::string name() {
    constexpr planned_op o = the_plan.ops[I];
    if constexpr (o.kind == op_kind::concat)
      return "concat";
    else if constexpr (o.kind == op_kind::sum)
      return ended<I>("sum");
    else
      return ended<I>(std::string(leaf_of<Net, o.leaf>::name) + (o.takes_sum_along() ? "+sum" : ""));
  }

  template <int I>
  static std::string ended(std::string first) {
    constexpr int next = the_plan.ops[I].fused_leaf;
    if constexpr (next >= 0) first += std::string("+") + leaf_of<Net, next>::name;
    return first;
  }

  static std::string note(const planned_op& o) {
    if (o.kind == op_kind::metric) return "metric";
    if (o.kind == op_kind::loss) {
      char text[32];
      std::snprintf(text, sizeof text, "loss x %g", o.loss_weight);
      return o.loss_weight == 1 ? "loss" : text;
    }
    std::string out;
    if (o.kind == op_kind::concat) {
      int copied = 0;
      for (int k = 0; k < o.operands; ++k) copied += !the_plan.settled[o.first_operand + k];
      out = copied == 0 ? "no copy" : "copies " + std::to_string(copied) + " of " + std::to_string(o.operands);
    }
    const planned_value& y = the_plan.values[o.output];
    for (int k = 0; k < the_plan.operand_count(o) && o.kind != op_kind::concat; ++k) {
      const planned_value& x = the_plan.values[the_plan.operand(o, k)];
      if (x.home == y.home && x.shift == y.shift) out = "in place";
    }
    for (int i = 0; i < the_plan.op_count; ++i)
      for (int k = 0; k < the_plan.ops[i].operands && the_plan.ops[i].kind == op_kind::concat; ++k)
        if (the_plan.operand(the_plan.ops[i], k) == o.output && the_plan.settled[the_plan.ops[i].first_operand + k])
          out += (out.empty() ? "slice of op " : ", slice of op ") + std::to_string(i);
    return out;
  }
};

// A table of the ops of a network as `Device` runs them, with totals: learnable parameters, forward MFLOP of one
// sample, bytes of activations and their gradients per sample (lifetimes share memory: less than the column adds up to,
// or more, for the gradients), bytes that a rank contributes to the sum of gradients, and what a model for `batch`
// samples allocates (memory_plan; a solver's state and a vendor kernel's scratch come on top). Runs nothing.
template <class Net, class Device = no_device, plan_options Options = plan_options{}>
std::string summary(int batch = 1) {
  using table = summary_table<Net, Device, Options>;
  using memory = memory_plan<Net, Device, Options>;
  auto line = [](const char* op, const std::string& name, const std::string& output, long long parameters, double mflop,
                 unsigned long long activation, unsigned long long sent, const std::string& note) {
    char text[256];
    std::snprintf(text, sizeof text, "%4s  %-20s %-16s %12lld %12.4f %12llu %12llu", op, name.c_str(), output.c_str(),
                  parameters, mflop, activation, sent);
    return text + (note.empty() ? "" : "  " + note) + "\n";
  };
  auto text_of = [](const shape& s) {
    std::string out = std::to_string(s.channels);
    if (s.depth != 1) out += " x " + std::to_string(s.depth);
    if (s.pixels() != 1) out += " x " + std::to_string(s.height) + " x " + std::to_string(s.width);
    return out;
  };
  char head[256];
  std::snprintf(head, sizeof head, "%4s  %-20s %-16s %12s %12s %12s %12s\n", "op", "layer", "output", "parameters",
                "MFLOP", "act. bytes", "sent bytes");
  std::string out = head;
  const planned_value& in = table::the_plan.values[0];
  out += line("", "input", text_of(in.extents), 0, 0, std::size_t(in.strides.sample) * sizeof(typename Device::value),
              0, "");
  std::int64_t parameters = 0, work = 0;
  auto add = [&](const summary_row& r) {
    parameters += r.parameters, work += r.flops;
    out += line(std::to_string(r.op).c_str(), r.name, text_of(r.output), r.parameters, double(r.flops) * 1e-6,
                r.activation_bytes, r.sent_bytes, r.note);
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (add(table::template row<I>()), ...); }
  (std::make_integer_sequence<int, table::the_plan.op_count>{});
  out +=
      line("", "total", "", parameters, double(work) * 1e-6, table::the_plan.elements * sizeof(typename Device::value),
           Options.training ? memory::parameter_elements * sizeof(typename Device::scalar) : 0,
           "per sample, with gradients");
  return out + "memory of a model for " + std::to_string(batch) + " samples on " + Device::name + ": " +
         std::to_string(memory::bytes(batch)) + " bytes\n";
}

// The names of the ops of a network as `Device` runs them, by index: for a trace.
template <class Net, class Device>
std::vector<std::string> op_names() {
  return summary_table<Net, Device>::names();
}

}  // namespace firecaffe
