#pragma once

#include "../core/host_device.hpp"
#include "../core/implementation.hpp"
#include "../core/math.hpp"

namespace firecaffe {

// y[c] = exp(x[c]) / sum over the channels i of exp(x[i]), for each pixel; dx[c] = y[c] (dy[c] - sum of dy[i] y[i]).
// Shifted by the largest first, so that nothing overflows. For training towards labels, softmax_loss takes the scores
// themselves.
struct softmax : layer_defaults {
  static constexpr const char* name = "softmax";
  static constexpr bool backward_needs_input = false;
  static constexpr bool backward_needs_output = true;
  static constexpr bool in_place = true;
  static constexpr shape output(shape in) { return in; }
  static constexpr std::int64_t flops(shape in) { return 4 * in.elements(); }
};

// Of pixel i % pixels of sample i / pixels. The last block's padding is zero.
template <class T>
struct softmax_value {
  static constexpr bool loops = true;
  tensor_view<const T> x;
  tensor_view<T> y;

  FIRECAFFE_HD void operator()(std::size_t i) const {
    const int pixels = x.extents.pixels(), n = int(i) / pixels, p = int(i) % pixels, channels = x.extents.channels;
    T top = x(n, 0, p), sum = 0;
    for (int c = 1; c < channels; ++c) top = x(n, c, p) > top ? x(n, c, p) : top;
    for (int c = 0; c < channels; ++c) sum += y(n, c, p) = exponential(x(n, c, p) - top);
    for (int c = 0; c < channels; ++c) y(n, c, p) /= sum;
    for (int c = channels; c % y.strides.block != 0; ++c) y(n, c, p) = 0;
  }
};

template <class T>
struct softmax_slope {
  static constexpr bool loops = true;
  tensor_view<const T> y, dy;
  tensor_view<T> dx;
  bool add;

  FIRECAFFE_HD void operator()(std::size_t i) const {
    const int pixels = y.extents.pixels(), n = int(i) / pixels, p = int(i) % pixels, channels = y.extents.channels;
    T mean = 0;
    for (int c = 0; c < channels; ++c) mean += y(n, c, p) * dy(n, c, p);
    for (int c = 0; c < channels; ++c) dx(n, c, p) = y(n, c, p) * (dy(n, c, p) - mean) + (add ? dx(n, c, p) : T(0));
    for (int c = channels; c % dx.strides.block != 0; ++c) dx(n, c, p) = 0;
  }
};

template <class Device, place In, place Out>
struct implementation<Device, softmax, In, Out> {
  using T = typename Device::scalar;
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(Device&, int) {}

  void forward(Device& device, tensor_view<const T> x, tensor_view<T> y, no_parameters<const T*>, const pass&) {
    device.for_each(std::size_t(x.samples) * std::size_t(In.extents.pixels()), softmax_value<T>{x, y});
  }

  void backward(Device& device, tensor_view<const T>, tensor_view<const T> y, tensor_view<T> dy, tensor_view<T> dx,
                no_parameters<const T*>, no_parameters<T*>, accumulation adds, const pass&) {
    if (dx)
      device.for_each(std::size_t(y.samples) * std::size_t(In.extents.pixels()),
                      softmax_slope<T>{y, dy, dx, adds.input});
  }
};

}  // namespace firecaffe
