#pragma once

#include <cstdint>

#include "filler.hpp"
#include "shape.hpp"

namespace firecaffe {

// The layer contract. A layer is a type that is never instantiated as an object; it has
//   kind                          transform (value -> value), loss or metric
//   name                          what summaries call it
//   fault check(shape)            why this input cannot be taken, or fault::none
//   shape output(shape)           per-sample shape of the result (transforms only)
//   parameters<T>, describe(in)   an aggregate of T, one member per parameter, and its `parameter`s
//   flops(in)                     forward floating-point operations of one sample, a multiply-add counted as two
//   backward_needs_input/output   which values must live until the layer's backward pass
//   in_place                      the result may overwrite the input (needs backward_needs_input == false)
// and, for each device, an `implementation` (see implementation.hpp). `layer_defaults` supplies what a layer leaves
// out.

enum class layer_kind { transform, loss, metric };

// What can be wrong with a layer's input; each has its own static_assert in network/check.hpp.
enum class fault {
  none,
  kernel_missing,
  window_exceeds_input,
  window_without_input,
  padding_not_below_kernel,
  groups_do_not_divide,
  not_two_dimensional,
  needs_one_pixel,
  bad_option_value,
  branches_disagree,
  targets_disagree,
};

// What a network's author says of one kind of parameter: how it starts, and by what the solver's learning rate and
// weight decay are multiplied for it (Caffe's lr_mult and decay_mult).
struct parameter_settings {
  filler fill;
  float lr_mult = 1, decay_mult = 1;
};

// One parameter in canonical order (O, I, K); a bias has I = K = 1.
//
// With `follows` > 0 it is no solver's: a running mean. The backward pass leaves this step's value, times the share of
// the global batch that its samples are, where gradients lie, so that it is summed over ranks and accumulated batches
// as they are; the update is w <- (1 - follows) w + follows * value. It does not count as learnable.
struct parameter {
  const char* name = "";
  int outputs = 0, inputs = 1, taps = 1;
  parameter_settings settings;
  float follows = 0;

  constexpr std::int64_t elements() const { return std::int64_t{outputs} * inputs * taps; }
  constexpr bool learnable() const { return follows == 0; }
};

template <class T>
struct no_parameters {};

template <class T>
struct weight_only {
  T weight;
};

template <class T>
struct weight_and_bias {
  T weight;
  T bias;
};
template <class T>
T* bias_or_null(const weight_and_bias<T*>& p) {
  return p.bias;
}
template <class T>
T* bias_or_null(const weight_only<T*>&) {
  return nullptr;
}

struct layer_defaults {
  static constexpr layer_kind kind = layer_kind::transform;
  template <class T>
  using parameters = no_parameters<T>;
  static constexpr no_parameters<parameter> describe(shape) { return {}; }
  static constexpr fault check(shape) { return fault::none; }
  static constexpr bool backward_needs_input = true;
  static constexpr bool backward_needs_output = false;
  static constexpr bool in_place = false;
};

template <class L>
concept layer = requires {
  L::kind;
  L::name;
};

}  // namespace firecaffe
