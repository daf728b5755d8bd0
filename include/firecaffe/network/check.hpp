#pragma once

#include "graph.hpp"

namespace firecaffe {

constexpr fault last_of(int, int, int, fault f) { return f; }
constexpr fault last_of(int, int, int, int, fault f) { return f; }

// Instantiated for the op that is wrong alone, so that the message names its index, its layer, what came in (C, H, W,
// or C, D, H, W of volumes) and the fault.
template <int Index, class Layer, auto... WhatCameInAndFault>
struct check {
  static constexpr fault Fault = last_of(WhatCameInAndFault...);
  static_assert(Fault != fault::kernel_missing,
                "the layer needs kernel<H, W>, kernel<D, H, W> or kernel<K> (or, for pooling, global)");
  static_assert(Fault != fault::window_exceeds_input,
                "the kernel is larger than its padded input (C, H, W; C, D, H, W of volumes)");
  static_assert(Fault != fault::window_without_input,
                "pooling: the last window lies beyond the input: leave out ceil_mode, or make the stride smaller");
  static_assert(Fault != fault::padding_not_below_kernel, "pooling: pad must be smaller than the kernel");
  static_assert(Fault != fault::groups_do_not_divide, "groups must divide the channels of input and output");
  static_assert(Fault != fault::not_two_dimensional, "the layer takes two-dimensional data only");
  static_assert(Fault != fault::needs_one_pixel,
                "the layer takes (C, 1, 1): put dense<N> or avg_pool<global> before it");
  static_assert(Fault != fault::bad_option_value, "an option of this layer has a value out of range");
  static_assert(
      Fault != fault::branches_disagree,
      "the branches of concat or sum end in different shapes; C, H, W (or C, D, H, W) is the first that differs");
  static_assert(Fault != fault::targets_disagree,
                "all losses that compare values must have one shape: they share a batch's targets");
  static constexpr bool value = true;
};

template <int Index, class Layer, int C, int H, int W, int D, fault Fault>
constexpr bool checked() {
  if constexpr (D == 1)
    return check<Index, Layer, C, H, W, Fault>::value;
  else
    return check<Index, Layer, C, D, H, W, Fault>::value;
}

// Stands for the layer where a combinator is at fault.
struct concat_or_sum {};

// The first loss that would compare values of another shape than one before it does; -1: none.
template <class Net>
constexpr int loss_with_other_targets() {
  constexpr auto& g = unchecked_graph_of<Net>;
  int first = -1, other = -1;
  auto look = [&]<int I>(std::integral_constant<int, I>) {
    if constexpr (g.ops[I].kind == op_kind::loss || g.ops[I].kind == op_kind::metric) {
      if (leaf_of<Net, g.ops[I].leaf>::uses_labels) return;
      if (first < 0) first = I;
      if (other < 0 && !(g.values[g.ops[I].input] == g.values[g.ops[first].input])) other = I;
    }
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (look(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, g.op_count>{});
  return other;
}

template <class Net>
constexpr bool checked_shapes() {
  constexpr auto& g = unchecked_graph_of<Net>;
  if constexpr (g.first_fault == fault::none) {
    constexpr int other = loss_with_other_targets<Net>();
    if constexpr (other >= 0) {
      constexpr shape in = g.values[g.ops[other].input];
      return checked<other, leaf_of<Net, g.ops[other].leaf>, in.channels, in.height, in.width, in.depth,
                     fault::targets_disagree>();
    }
    return true;
  } else {
    constexpr shape in = g.faulty_input;
    if constexpr (g.first_fault == fault::branches_disagree)
      return checked<g.faulty_op, concat_or_sum, in.channels, in.height, in.width, in.depth, g.first_fault>();
    else
      return checked<g.faulty_op, leaf_of<Net, g.faulty_leaf>, in.channels, in.height, in.width, in.depth,
                     g.first_fault>();
  }
}

template <class Net>
constexpr int loss_count() {
  int n = 0;
  for (int i = 0; i < unchecked_graph_of<Net>.op_count; ++i) n += unchecked_graph_of<Net>.ops[i].kind == op_kind::loss;
  return n;
}

// A network that is trained ends in a loss.
template <class Net>
struct trainable {
  static_assert(loss_count<Net>() > 0, "the network has no loss: end it with softmax_loss or euclidean_loss");
  static constexpr bool value = true;
};

// The graph of a network whose shapes fit.
template <class Net>
requires requires { typename Net::network_type; }
constexpr const auto& graph_of = []() -> const auto& {
  static_assert(checked_shapes<Net>());
  return unchecked_graph_of<Net>;
}
();

}  // namespace firecaffe
