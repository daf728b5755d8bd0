#pragma once

#include "../core/options.hpp"
#include "channelwise.hpp"

namespace firecaffe {

// One slope for all channels.
struct shared_slope {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.shared_slope;
  }
  { s.shared_slope = true; }
};

struct prelu_settings {
  bool shared_slope = false;
  parameter_settings weight{constant<ratio<1, 4>>::value};
};

// y = x for x > 0, weight[c] x otherwise, with a slope that is learned (He et al. 2015, arXiv 1502.01852):
//   dx = dy or weight[c] dy,   dweight[c] = sum of dy x over the elements with x <= 0
// Options: shared_slope, weight_filler<F> (1/4), weight_lr_mult<R>, weight_decay_mult<R> (1; the paper decays no
// slope).
template <class... Options>
struct prelu : channelwise_layer {
  static constexpr const char* name = "prelu";
  static constexpr prelu_settings settings = configure<prelu_settings, Options...>();
  static constexpr bool shared = settings.shared_slope;
  template <class T>
  using parameters = weight_only<T>;

  static constexpr weight_only<parameter> describe(shape in) {
    return {{"weight", shared ? 1 : in.channels, 1, 1, settings.weight}};
  }
  static constexpr std::int64_t flops(shape in) { return 2 * in.elements(); }

  template <class T>
  static FIRECAFFE_HD void value(const T& x, const T* p, T& y) {
    const T below = p[0] * x;
    y = x > 0 ? x : below;
  }
  template <class T>
  static FIRECAFFE_HD void slopes(const T& x, const T& dy, const T* p, T& dx, T* dp) {
    const T below = p[0] * dy, product = x * dy;
    dx = x > 0 ? dy : below;
    dp[0] = x > 0 ? T{} : product;
  }
};

}  // namespace firecaffe
