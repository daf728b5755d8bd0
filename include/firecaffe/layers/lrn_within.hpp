#pragma once

#include <cmath>

#include "../core/host_device.hpp"
#include "../core/implementation.hpp"
#include "lrn.hpp"

namespace firecaffe {

struct lrn_within_settings {
  int local_size = 5;
  double alpha = 1, beta = 0.75;
};

// Local response normalisation within channels (Krizhevsky's cuda-convnet; Caffe's WITHIN_CHANNEL):
//   s[p] = 1 + alpha / n^2 * sum of x[q]^2 over the n x n window q around p,   y[p] = x[p] s[p]^-beta
//   dx[p] = dy[p] s[p]^-beta - 2 alpha beta / n^2 * x[p] * sum over the same q of dy[q] x[q] s[q]^(-beta - 1)
// Pixels beyond the plane count as zero. Options: local_size<N> (5), alpha<Ratio> (1), beta<Ratio> (3/4).
template <class... Options>
struct lrn_within : layer_defaults {
  static constexpr const char* name = "lrn_within";
  static constexpr lrn_within_settings settings = configure<lrn_within_settings, Options...>();
  static constexpr fault check(shape in) { return in.depth == 1 ? fault::none : fault::not_two_dimensional; }
  static constexpr shape output(shape in) { return in; }
  static constexpr std::int64_t flops(shape in) {
    return in.elements() * (2 * settings.local_size * settings.local_size + 4);
  }
};

// f(value) added up over the window around an element, given by its place in (C, H, W).
template <class T, class V>
struct window_around {
  tensor_view<const V> from;
  int side;  // pixels on each side of the middle

  template <class F>
  FIRECAFFE_HD T sum(int n, int element, F f) const {
    const int height = from.extents.height, width = from.extents.width;
    const int c = element / (height * width), h = element / width % height, w = element % width;
    const int top = h > side ? h - side : 0, bottom = h + side < height ? h + side : height - 1;
    const int left = w > side ? w - side : 0, right = w + side < width ? w + side : width - 1;
    T total = 0;
    for (int r = top; r <= bottom; ++r)
      for (int t = left; t <= right; ++t) total += f(T(from(n, c, r * width + t)));
    return total;
  }
};

struct square_of {
  template <class T>
  FIRECAFFE_HD T operator()(T v) const {
    return v * v;
  }
};

// g * s^exponent, times x where `times_x`; in forward g is x. With `add`, what is there on top.
template <class T, class V, bool Times_x>
struct times_power {
  window_around<T, V> window;
  double alpha, exponent;

  FIRECAFFE_HD T operator()(int n, int element, T g, T x) const {
    using std::pow;
    const T s = T(1) + T(alpha) * window.sum(n, element, square_of{});
    return g * pow(s, T(exponent)) * (Times_x ? x : T(1));
  }
  FIRECAFFE_HD T operator()(int n, int element, T g, T x, T dx) const { return dx + (*this)(n, element, g, x); }
};

// dx - factor * x * (the sum of the products in the window)
template <class T, class V>
struct less_products {
  window_around<T, V> window;
  double factor;

  struct itself {
    FIRECAFFE_HD T operator()(T v) const { return v; }
  };
  FIRECAFFE_HD T operator()(int n, int element, T x, T dx) const {
    return dx - T(factor) * x * window.sum(n, element, itself{});
  }
};

// Every device. The products take the place of dy.
template <class Device, class... Options, place In, place Out>
struct implementation<Device, lrn_within<Options...>, In, Out> {
  using T = typename Device::scalar;
  using V = typename Device::value;
  static constexpr lrn_within_settings s = lrn_within<Options...>::settings;
  static constexpr int side = s.local_size / 2;
  static constexpr double alpha = s.alpha / (s.local_size * s.local_size);
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(Device&, int) {}

  void forward(Device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const T*>, const pass&) {
    device.transform_indexed(y, times_power<T, V, false>{{x, side}, alpha, -s.beta}, x, x);
  }

  void backward(Device& device, tensor_view<const V> x, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const T*>, no_parameters<T*>, accumulation adds, const pass&) {
    if (!dx) return;
    const tensor_view<const V> from = dy, own = dx;
    const times_power<T, V, false> direct{{x, side}, alpha, -s.beta};
    if (adds.input)
      device.transform_indexed(dx, direct, from, x, own);
    else
      device.transform_indexed(dx, direct, from, x);
    device.transform_indexed(dy, times_power<T, V, true>{{x, side}, alpha, -s.beta - 1}, from, x);
    device.transform_indexed(dx, less_products<T, V>{{from, side}, 2 * alpha * s.beta}, x, own);
  }
};

}  // namespace firecaffe
