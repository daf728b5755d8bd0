#pragma once

#include "../core/host_device.hpp"
#include "../core/implementation.hpp"

namespace firecaffe {

// Losses follow Caffe: a loss is the sum over the samples divided by the number of samples in the global batch, so that
// gradients summed over ranks and over accumulated batches are those of the whole batch. The number reported is that
// mean.

struct loss_defaults : layer_defaults {
  static constexpr layer_kind kind = layer_kind::loss;
};

// Softmax and multinomial logistic loss on (N, C, 1, 1) scores and labels in [0, C):
//   loss = -log(exp(x[label]) / sum over c of exp(x[c])),   dloss/dx[c] = p[c] - (c == label)
// The scores are shifted by their maximum first, so that no exponential overflows. Every device has its own kernel.
struct softmax_loss : loss_defaults {
  static constexpr const char* name = "softmax_loss";
  static constexpr bool uses_labels = true;
  static constexpr fault check(shape in) { return in.pixels() == 1 ? fault::none : fault::needs_one_pixel; }
  static constexpr std::int64_t flops(shape in) { return 4 * in.elements(); }
};

// loss = 1/2 sum of (x - t)^2 over the elements of a sample; dloss/dx = x - t. Targets have the input's shape.
struct euclidean_loss : loss_defaults {
  static constexpr const char* name = "euclidean_loss";
  static constexpr bool uses_labels = false;
  static constexpr std::int64_t flops(shape in) { return 3 * in.elements(); }
};

struct half_square {
  template <class T>
  FIRECAFFE_HD T operator()(T x, T t) const {
    return T(0.5) * (x - t) * (x - t);
  }
};

struct scaled_difference {
  static constexpr bool preserves_zero = true;
  double scale;
  template <class T>
  FIRECAFFE_HD T operator()(T x, T t) const {
    return T(scale) * (x - t);
  }
  template <class T>
  FIRECAFFE_HD T operator()(T x, T t, T dx) const {
    return dx + T(scale) * (x - t);
  }
};

template <class Device, place In, place Out>
struct implementation<Device, euclidean_loss, In, Out> {
  using T = typename Device::scalar;
  using V = typename Device::value;
  implementation(Device&, int) {}

  void forward(Device& device, tensor_view<const V> x, target_view<T> target, double* sum, const pass&) {
    device.reduce(sum, half_square{}, x, target.values);
  }

  void backward(Device& device, tensor_view<const V> x, target_view<T> target, tensor_view<V> dx, double scale,
                accumulation adds, const pass&) {
    if (!dx) return;
    if (adds.input)
      device.transform(dx, scaled_difference{scale}, x, target.values, tensor_view<const V>(dx));
    else
      device.transform(dx, scaled_difference{scale}, x, target.values);
  }
};

// Counts the samples whose label is among the K largest scores of (N, C, 1, 1). As in Caffe a score equal to the
// label's counts against it, so that constant scores are not called right. A metric passes its input on, and has no
// gradient.
template <int K = 1>
struct accuracy : layer_defaults {
  static_assert(K >= 1, "accuracy: K must be positive");
  static constexpr const char* name = "accuracy";
  static constexpr int top = K;
  static constexpr layer_kind kind = layer_kind::metric;
  static constexpr bool uses_labels = true;
  static constexpr fault check(shape in) {
    return in.pixels() != 1 ? fault::needs_one_pixel : in.channels < K ? fault::bad_option_value : fault::none;
  }
  static constexpr std::int64_t flops(shape in) { return in.elements(); }
};

}  // namespace firecaffe
