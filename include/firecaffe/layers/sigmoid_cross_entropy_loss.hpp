#pragma once

#include "../core/math.hpp"
#include "losses.hpp"

namespace firecaffe {

// Cross entropy between targets t in [0, 1] of the input's shape and the sigmoid of the input, added up over the
// elements of a sample (Caffe's SigmoidCrossEntropyLoss):
//   loss = -t log s - (1 - t) log(1 - s) with s = 1 / (1 + exp(-x)), computed as max(x, 0) - x t + log(1 + exp(-|x|))
//   dloss/dx = s - t
struct sigmoid_cross_entropy_loss : loss_defaults {
  static constexpr const char* name = "sigmoid_cross_entropy_loss";
  static constexpr bool uses_labels = false;
  static constexpr std::int64_t flops(shape in) { return 6 * in.elements(); }
};

constexpr double log_of_two = 0.69314718055994531;

// What an element's loss exceeds log 2 by, which is what it is for x = 0: that much of padding is nothing.
struct cross_entropy_above_log_of_two {
  template <class T>
  FIRECAFFE_HD double operator()(T x, T t) const {
    if (x == T(0)) return 0;
    const T size = x > T(0) ? x : -x, linear = x > T(0) ? x - x * t : -x * t;
    return double(linear) + (double(log_of_one_plus(exponential(-size))) - log_of_two);
  }
};

struct add_to_sum {
  static constexpr bool loops = true;
  double* sum;
  double number;
  FIRECAFFE_HD void operator()(std::size_t) const { *sum += number; }
};

struct scaled_sigmoid_difference {
  static constexpr bool preserves_zero = false;
  double scale;
  template <class T>
  FIRECAFFE_HD T operator()(T x, T t) const {
    return T(scale) * (T(1) / (T(1) + exponential(-x)) - t);
  }
  template <class T>
  FIRECAFFE_HD T operator()(T x, T t, T dx) const {
    return dx + (*this)(x, t);
  }
};

template <class Device, place In, place Out>
struct implementation<Device, sigmoid_cross_entropy_loss, In, Out> {
  using T = typename Device::scalar;
  using V = typename Device::value;
  implementation(Device&, int) {}

  void forward(Device& device, tensor_view<const V> x, target_view<T> target, double* sum, const pass&) {
    device.reduce(sum, cross_entropy_above_log_of_two{}, x, target.values);
    device.for_each(1, add_to_sum{sum, log_of_two * double(x.samples) * double(In.extents.elements())});
  }

  void backward(Device& device, tensor_view<const V> x, target_view<T> target, tensor_view<V> dx, double scale,
                accumulation adds, const pass&) {
    if (!dx) return;
    if (adds.input)
      device.transform(dx, scaled_sigmoid_difference{scale}, x, target.values, tensor_view<const V>(dx));
    else
      device.transform(dx, scaled_sigmoid_difference{scale}, x, target.values);
  }
};

}  // namespace firecaffe
