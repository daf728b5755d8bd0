#pragma once

// The least work of a training step, counted by the compiler: floating-point operations (a multiply-add is two), and
// the bytes of each array that an op has to read or write, once, padding of the device's layout included.
#include <firecaffe/network/parameters.hpp>

namespace fc = firecaffe;

// Of one pass of an op, or of a whole step.
struct pass_work {
  double flops = 0, value_bytes = 0;  // for one sample
  double parameter_bytes = 0;         // whatever the batch
  constexpr double bytes(int samples) const { return samples * value_bytes + parameter_bytes; }
};

template <class Net, class Device>
struct op_work_of {
  static constexpr auto& the_plan = fc::plan<Net, Device>;
  static constexpr auto& the_parameters = fc::parameters_of<Net, Device>;
  // A device may store values in fewer bits than it keeps its parameters in.
  static constexpr double value_size = sizeof(typename Device::value), parameter_size = sizeof(typename Device::scalar);

  struct arrays {
    double in = 0, out = 0, passed = 0, parameters = 0;  // bytes; of one sample, but for the parameters
    bool wants_input = false;                            // its gradient
  };

  static constexpr double bytes(int value) {
    const fc::planned_value& v = the_plan.values[value];
    return v.used ? value_size * double(Device::value_layout(v.extents).sample) : 0;
  }

  template <int I>
  static constexpr arrays arrays_of() {
    constexpr fc::planned_op o = the_plan.ops[I];
    arrays a;
    for (int p = 0; p < the_parameters.count; ++p)
      if (the_parameters.list[p].op == I) a.parameters += parameter_size * double(the_parameters.list[p].stored.extent);
    for (int k = 0; k < the_plan.operand_count(o); ++k) {
      const int v = the_plan.operand(o, k);
      const bool lies_there = o.operands > 0 && the_plan.settled[o.first_operand + k];
      if (o.kind != fc::op_kind::concat || !lies_there) a.in += bytes(v);
      if (o.fused_leaf >= 0 || !lies_there) a.passed += bytes(v);
      a.wants_input = a.wants_input || the_plan.values[v].gradient;
    }
    a.out = o.output < 0 ? 0 : o.kind == fc::op_kind::concat ? a.in : bytes(o.output);
    return a;
  }

  template <int I>
  static constexpr pass_work forward() {
    constexpr arrays a = arrays_of<I>();
    return {double(fc::planned_flops<Net, Device, fc::plan_options{}, I>()), a.in + a.out, a.parameters};
  }

  // The forward pass's operations once for the gradient of the input, where one is wanted, and once for the gradients
  // of the parameters, where there are any. dy is read, and what the device needs of x and y; dx is written.
  template <int I>
  static constexpr pass_work backward() {
    constexpr fc::planned_op o = the_plan.ops[I];
    constexpr arrays a = arrays_of<I>();
    if (!o.backward) return {};
    return {forward<I>().flops * ((a.parameters > 0) + a.wants_input),
            a.out * (1 + the_plan.backward_reads_output(I)) + bytes(o.input) * the_plan.backward_reads_input(I) +
                a.passed * a.wants_input,
            a.parameters * (1 + a.wants_input)};
  }
};

// A step of one rank: every op forward (metrics are not computed in training) and backward, then the update, which
// reads gradients, parameters and the solver's state, and writes the latter two; its operations are too few to count.
// Nor is counted what brings the images to the device and sums gradients over the ranks.
template <class Net, class Device, class Solver>
constexpr pass_work step_work = [] {
  using op_work = op_work_of<Net, Device>;
  pass_work sum;
  const auto add = [&](const pass_work& w) {
    sum.flops += w.flops, sum.value_bytes += w.value_bytes, sum.parameter_bytes += w.parameter_bytes;
  };
  [&]<int... I>(std::integer_sequence<int, I...>) {
    ((op_work::the_plan.ops[I].kind == fc::op_kind::metric ? void() : add(op_work::template forward<I>())), ...);
    (add(op_work::template backward<I>()), ...);
  }
  (std::make_integer_sequence<int, op_work::the_plan.op_count>{});
  sum.parameter_bytes +=
      op_work::parameter_size * double(op_work::the_parameters.elements) * (3 + 2 * Solver::state_arrays);
  return sum;
}();
