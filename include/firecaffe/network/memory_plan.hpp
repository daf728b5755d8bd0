#pragma once

#include "parameters.hpp"

namespace firecaffe {

// What work that is recorded once and replayed finds in the device's memory.
struct live_numbers {
  std::uint32_t step = 0;  // see pass::live_step
  std::uint32_t slot = 0;  // where the host looks for the step's loss
};

// The memory of a model, exact to the byte and known before it is made: what its arenas allocate, padding of the
// device's layouts included. Scratch of vendor kernels is not in it: devices report that themselves.
template <class Net, class Device, plan_options Options = plan_options{}>
struct memory_plan {
  using T = typename Device::scalar;
  static constexpr auto& the_plan = plan<Net, Device, Options>;

  template <int I>
  static constexpr bool labels_at() {
    constexpr planned_op o = the_plan.ops[I];
    if constexpr (o.kind == op_kind::loss || o.kind == op_kind::metric) return leaf_of<Net, o.leaf>::uses_labels;
    return false;
  }

  // The input of the first loss that compares values; one without pixels where there is none.
  static constexpr shape target_shape = [] {
    shape s{0, 0, 0, 0};
    auto look = [&]<int I>(std::integral_constant<int, I>) {
      constexpr planned_op o = the_plan.ops[I];
      if constexpr (o.kind == op_kind::loss || o.kind == op_kind::metric)
        if (!leaf_of<Net, o.leaf>::uses_labels && s.elements() == 0) s = the_plan.values[o.input].extents;
    };
    [&]<int... I>(std::integer_sequence<int, I...>) { (look(std::integral_constant<int, I>{}), ...); }
    (std::make_integer_sequence<int, the_plan.op_count>{});
    return s;
  }();

  // Labels lie in [0, classes): the least channels of what they are compared with; 0 where nothing is.
  static constexpr int classes = [] {
    int least = 0;
    auto look = [&]<int I>(std::integral_constant<int, I>) {
      constexpr int channels = the_plan.values[the_plan.ops[I].input].extents.channels;
      if (labels_at<I>() && (least == 0 || channels < least)) least = channels;
    };
    [&]<int... I>(std::integer_sequence<int, I...>) { (look(std::integral_constant<int, I>{}), ...); }
    (std::make_integer_sequence<int, the_plan.op_count>{});
    return least;
  }();
  static constexpr bool uses_labels = classes > 0;

  static constexpr std::size_t parameter_elements = parameters_of<Net, Device, Options>.elements;
  static constexpr std::size_t gradient_elements = Options.training ? parameter_elements : 0;
  static constexpr std::size_t results = std::size_t(the_plan.op_count);

  static constexpr std::size_t activation_elements(int batch) { return the_plan.elements * std::size_t(batch); }
  static constexpr std::size_t target_elements(int batch) {
    return target_shape.elements() == 0 ? 0
                                        : std::size_t(Device::value_layout(target_shape).sample) * std::size_t(batch);
  }
  // 32-bit words that come with each batch: live_numbers, and labels.
  static constexpr std::size_t live_words = sizeof(live_numbers) / sizeof(std::int32_t);
  static constexpr std::size_t words(int batch) { return live_words + std::size_t(batch); }

  // Parameters, gradients, values and their gradients, targets, words and results; where values are of another type
  // than parameters, copies of these as factors. A solver's state comes on top.
  static constexpr std::size_t bytes(int batch) {
    using V = typename Device::value;
    const std::size_t copies = std::is_same_v<V, T> ? 0 : parameter_elements;
    return (parameter_elements + gradient_elements + target_elements(batch)) * sizeof(T) +
           (activation_elements(batch) + copies) * sizeof(V) + words(batch) * sizeof(std::int32_t) +
           results * sizeof(double);
  }
};

}  // namespace firecaffe
