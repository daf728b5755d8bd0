#pragma once

#include "../core/options.hpp"
#include "losses.hpp"

namespace firecaffe {

struct hinge_settings {
  bool squared = false;
};

// The square of each term: Caffe's L2 norm.
struct squared {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.squared;
  }
  { s.squared = true; }
};

// One-against-all hinge loss on (N, C, 1, 1) scores and labels in [0, C), as Caffe's HingeLoss:
//   loss = sum over c of max(0, m[c]), or squared of max(0, m[c])^2, with m[c] = 1 - x[c] for the label and 1 + x[c]
//   for others; dloss/dx[c] = -1 or 1, times 2 m[c] if squared, where m[c] > 0
template <class... Options>
struct hinge_loss : loss_defaults {
  static constexpr const char* name = "hinge_loss";
  static constexpr hinge_settings settings = configure<hinge_settings, Options...>();
  static constexpr bool uses_labels = true;
  static constexpr fault check(shape in) { return in.pixels() == 1 ? fault::none : fault::needs_one_pixel; }
  static constexpr std::int64_t flops(shape in) { return 3 * in.elements(); }
};

// losses[n] = the loss of sample n
template <bool Squared, class T, class V>
struct hinge_of_sample {
  static constexpr bool loops = true;
  tensor_view<const V> x;
  const std::int32_t* labels;
  double* losses;

  FIRECAFFE_HD void operator()(std::size_t i) const {
    const int n = int(i);
    double loss = 0;
    for (int c = 0; c < x.extents.channels; ++c) {
      const auto score = double(T(x(n, c, 0)));
      const double margin = 1 + (c == labels[n] ? -score : score);
      if (margin > 0) loss += Squared ? margin * margin : margin;
    }
    losses[n] = loss;
  }
};

struct sum_of_samples {
  static constexpr bool loops = true;
  const double* losses;
  int samples;
  double* sum;

  FIRECAFFE_HD void operator()(std::size_t) const {
    double total = 0;
    for (int n = 0; n < samples; ++n) total += losses[n];
    *sum = total;
  }
};

template <bool Squared>
struct scaled_hinge_slope {
  const std::int32_t* labels;
  double scale;

  template <class T>
  FIRECAFFE_HD T operator()(int sample, int c, T x) const {
    const T sign = c == labels[sample] ? T(-1) : T(1), margin = T(1) + sign * x;
    return margin > T(0) ? T(scale) * sign * (Squared ? T(2) * margin : T(1)) : T(0);
  }
  template <class T>
  FIRECAFFE_HD T operator()(int sample, int c, T x, T dx) const {
    return dx + (*this)(sample, c, x);
  }
};

template <class Device, class... Options, place In, place Out>
struct implementation<Device, hinge_loss<Options...>, In, Out> {
  using T = typename Device::scalar;
  using V = typename Device::value;
  static constexpr bool squared = hinge_loss<Options...>::settings.squared;
  implementation(Device& device, int batch) : losses_(device.template allocate<double>(std::size_t(batch))) {}

  void forward(Device& device, tensor_view<const V> x, target_view<T> target, double* sum, const pass&) {
    device.for_each(std::size_t(x.samples), hinge_of_sample<squared, T, V>{x, target.labels, losses_.data()});
    device.for_each(1, sum_of_samples{losses_.data(), x.samples, sum});
  }

  void backward(Device& device, tensor_view<const V> x, target_view<T> target, tensor_view<V> dx, double scale,
                accumulation adds, const pass&) {
    if (!dx) return;
    const scaled_hinge_slope<squared> slope{target.labels, scale};
    if (adds.input)
      device.transform_indexed(dx, slope, x, tensor_view<const V>(dx));
    else
      device.transform_indexed(dx, slope, x);
  }

 private:
  typename Device::template memory<double> losses_;
};

}  // namespace firecaffe
