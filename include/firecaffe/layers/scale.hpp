#pragma once

#include <type_traits>

#include "../core/options.hpp"
#include "channelwise.hpp"

namespace firecaffe {

template <class T>
struct bias_only {
  T bias;
};

struct with_bias {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.with_bias;
  }
  { s.with_bias = true; }
};

struct scale_settings {
  bool with_bias = false;
  parameter_settings weight{constant<ratio<1>>::value}, bias_settings{constant<>::value};
};

// A factor for each channel, y = weight[c] x, or with_bias y = weight[c] x + bias[c]: Caffe's Scale. Options:
// with_bias, weight_filler<F> (1), bias_filler<F> (0), weight_lr_mult<R>, weight_decay_mult<R>, bias_lr_mult<R>,
// bias_decay_mult<R> (1).
template <class... Options>
struct scale : channelwise_layer {
  static constexpr const char* name = "scale";
  static constexpr scale_settings settings = configure<scale_settings, Options...>();
  template <class T>
  using parameters = std::conditional_t<settings.with_bias, weight_and_bias<T>, weight_only<T>>;

  static constexpr parameters<parameter> describe(shape in) {
    parameters<parameter> p{};
    p.weight = {"weight", in.channels, 1, 1, settings.weight};
    if constexpr (settings.with_bias) p.bias = {"bias", in.channels, 1, 1, settings.bias_settings};
    return p;
  }
  static constexpr std::int64_t flops(shape in) { return in.elements() * (settings.with_bias ? 2 : 1); }

  template <class T>
  static FIRECAFFE_HD void value(const T& x, const T* p, T& y) {
    y = p[0] * x;
    if constexpr (settings.with_bias) y += p[1];
  }
  template <class T>
  static FIRECAFFE_HD void slopes(const T& x, const T& dy, const T* p, T& dx, T* dp) {
    dx = p[0] * dy, dp[0] = x * dy;
    if constexpr (settings.with_bias) dp[1] = dy;
  }
};

struct bias_layer_settings {
  parameter_settings bias_settings{constant<>::value};
};

// A number added to each channel, y = x + bias[c]: Caffe's Bias. Options: bias_filler<F> (0), bias_lr_mult<R>,
// bias_decay_mult<R> (1).
template <class... Options>
struct bias : channelwise_layer {
  static constexpr const char* name = "bias";
  static constexpr bool backward_needs_input = false;
  static constexpr bool in_place = true;
  static constexpr bias_layer_settings settings = configure<bias_layer_settings, Options...>();
  template <class T>
  using parameters = bias_only<T>;

  static constexpr bias_only<parameter> describe(shape in) {
    return {{"bias", in.channels, 1, 1, settings.bias_settings}};
  }
  static constexpr std::int64_t flops(shape in) { return in.elements(); }

  template <class T>
  static FIRECAFFE_HD void value(const T& x, const T* p, T& y) {
    y = x + p[0];
  }
  template <class T>
  static FIRECAFFE_HD void slopes(const T&, const T& dy, const T*, T& dx, T* dp) {
    dx = dp[0] = dy;
  }
};

}  // namespace firecaffe
