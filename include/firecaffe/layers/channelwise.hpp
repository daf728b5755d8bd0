#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/host_device.hpp"
#include "../core/implementation.hpp"

namespace firecaffe {

// A channelwise layer computes each element from its input and the parameters of its channel. It says, for numbers and
// for vectors of them, with p[i] the channel's element of the i-th parameter,
//   value(x, p, y)              y
//   slopes(x, dy, p, dx, dp)    dx, and dp[i]: the element's share of the gradient of p[i]
//   shared                      every channel has the same
// Each device runs it by the verbs of the contract, one thread adding up a channel; cpu has a kernel.
struct channelwise_layer : layer_defaults {
  static constexpr bool shared = false;
  static constexpr shape output(shape in) { return in; }
};

template <class L>
concept channelwise = layer<L> && requires(float& v, const float* p, float* d) {
  L::shared;
  L::value(v, p, v);
  L::slopes(v, v, p, v, d);
};

template <class Layer>
constexpr int channelwise_parameters = int(field_count<typename Layer::template parameters<int>>);

// The arrays of a layer's parameters, in order.
template <class Layer, class T>
struct parameter_arrays {
  T* from[channelwise_parameters<Layer>];

  explicit parameter_arrays(typename Layer::template parameters<T*> p) {
    for_each_field<decltype(p)>([&](auto i) { from[i] = field<i>(p); });
  }
};

template <class Layer, class T>
struct channelwise_value {
  static constexpr bool preserves_zero = false;
  static constexpr int count = channelwise_parameters<Layer>;
  parameter_arrays<Layer, const T> parameters;
  int pixels;

  FIRECAFFE_HD void read(int channel, T* p) const {
    for (int i = 0; i < count; ++i) p[i] = parameters.from[i][Layer::shared ? 0 : channel];
  }
  FIRECAFFE_HD T operator()(int, int element, T x) const {
    T p[count], y;
    read(element / pixels, p);
    Layer::value(x, p, y);
    return y;
  }
};

template <class Layer, class T>
struct channelwise_slope : channelwise_value<Layer, T> {
  FIRECAFFE_HD T operator()(int, int element, T x, T dy) const {
    T p[channelwise_parameters<Layer>], dp[channelwise_parameters<Layer>], dx;
    this->read(element / this->pixels, p);
    Layer::slopes(x, dy, p, dx, dp);
    return dx;
  }
  FIRECAFFE_HD T operator()(int sample, int element, T x, T dy, T dx) const {
    return dx + (*this)(sample, element, x, dy);
  }
};

// to[i][c] (+)= the sum over the elements of channel c
template <class Layer, class T>
struct channelwise_sums {
  static constexpr bool loops = true;
  static constexpr int count = channelwise_parameters<Layer>;
  channelwise_value<Layer, T> layer;
  tensor_view<const T> x, dy;
  parameter_arrays<Layer, T> to;
  bool add;

  FIRECAFFE_HD void operator()(std::size_t channel) const {
    const int c = int(channel);
    T p[count], dp[count], dx;
    double sum[count] = {};
    layer.read(c, p);
    for (int n = 0; n < x.samples; ++n)
      for (int q = 0; q < layer.pixels; ++q) {
        Layer::slopes(x(n, c, q), dy(n, c, q), p, dx, dp);
        for (int i = 0; i < count; ++i) sum[i] += double(dp[i]);
      }
    for (int i = 0; i < count; ++i) to.from[i][c] = T(sum[i] + (add ? double(to.from[i][c]) : 0.0));
  }
};

// to[i][0] (+)= the sum of channels[i][c] over c
template <class Layer, class T>
struct sum_of_channels {
  static constexpr bool loops = true;
  parameter_arrays<Layer, T> to;
  const T* channels;
  int count;
  bool add;

  FIRECAFFE_HD void operator()(std::size_t i) const {
    double sum = add ? double(to.from[i][0]) : 0.0;
    for (int c = 0; c < count; ++c) sum += double(channels[int(i) * count + c]);
    to.from[i][0] = T(sum);
  }
};

template <class Device, channelwise Layer, place In, place Out>
struct implementation<Device, Layer, In, Out> {
  using T = typename Device::scalar;
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr int channels = In.extents.channels, pixels = In.extents.pixels();
  static constexpr int count = channelwise_parameters<Layer>;
  static constexpr parameters<weight_layout> storage() { return canonical_storage<Layer>(In.extents); }
  implementation(Device& device, int)
      : channels_(device.template allocate<T>(Layer::shared ? std::size_t{count} * channels : 0)) {}

  void forward(Device& device, tensor_view<const T> x, tensor_view<T> y, parameters<const T*> p, const pass&) {
    device.transform_indexed(y, value(p), x);
  }

  void backward(Device& device, tensor_view<const T> x, tensor_view<const T>, tensor_view<T> dy, tensor_view<T> dx,
                parameters<const T*> p, parameters<T*> gradients, accumulation adds, const pass&) {
    const tensor_view<const T> from = dy;
    parameter_arrays<Layer, T> to(gradients);
    if constexpr (Layer::shared) {
      parameter_arrays<Layer, T> each = to;
      for (int i = 0; i < count; ++i) each.from[i] = channels_.data() + i * channels;
      device.for_each(channels, channelwise_sums<Layer, T>{value(p), x, from, each, false});
      device.for_each(count, sum_of_channels<Layer, T>{to, channels_.data(), channels, adds.parameters});
    } else {
      device.for_each(channels, channelwise_sums<Layer, T>{value(p), x, from, to, adds.parameters});
    }
    if (!dx) return;
    const channelwise_slope<Layer, T> slope{value(p)};
    if (adds.input)
      device.transform_indexed(dx, slope, x, from, tensor_view<const T>(dx));
    else
      device.transform_indexed(dx, slope, x, from);
  }

 private:
  static channelwise_value<Layer, T> value(parameters<const T*> p) {
    return {parameter_arrays<Layer, const T>(p), pixels};
  }

  typename Device::template memory<T> channels_;
};

}  // namespace firecaffe
