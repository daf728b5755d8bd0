#pragma once

#include <type_traits>

#include "../core/implementation.hpp"
#include "../core/options.hpp"
#include "pointwise.hpp"

namespace firecaffe {

struct dense_settings {
  bool bias = true;
  parameter_settings weight{xavier::value}, bias_settings{constant<>::value};
};

// Inner product (N, C, H, W) -> (N, Outputs, 1, 1): y = W x + b, over all elements of a sample in (C, H, W) order.
// Options: no_bias, weight_filler<F> (xavier), bias_filler<F> (0), weight_lr_mult<R>, weight_decay_mult<R>,
// bias_lr_mult<R>, bias_decay_mult<R> (1).
template <int Outputs, class... Options>
struct dense : layer_defaults {
  static constexpr const char* name = "dense";
  static constexpr dense_settings settings = configure<dense_settings, Options...>();
  static constexpr bool needs_whole_samples = true;  // a sample is read as one row of a matrix
  template <class T>
  using parameters = std::conditional_t<settings.bias, weight_and_bias<T>, weight_only<T>>;

  static constexpr fault check(shape) { return Outputs < 1 ? fault::bad_option_value : fault::none; }
  static constexpr shape output(shape) { return {Outputs}; }

  static constexpr parameters<parameter> describe(shape in) {
    parameters<parameter> p{};
    p.weight = {"weight", Outputs, in.channels, in.pixels(), settings.weight};
    if constexpr (settings.bias) p.bias = {"bias", Outputs, 1, 1, settings.bias_settings};
    return p;
  }

  static constexpr std::int64_t flops(shape in) { return Outputs * (2 * in.elements() + (settings.bias ? 1 : 0)); }
};

// A sample's row is what it occupies in memory, padding included (its weights are zero), but `vector` elements of a
// plain vector. The matrix has so many `rows`, those beyond the outputs being zero.
constexpr weight_layout dense_storage(parameter p, place in, std::ptrdiff_t rows, std::ptrdiff_t vector) {
  const layout l = in.strides;
  const std::ptrdiff_t blocks = (in.extents.channels + l.block - 1) / l.block;
  const std::ptrdiff_t row = in.extents.pixels() == 1 ? vector : blocks * l.block * in.extents.pixels();
  return {p.outputs, p.inputs, p.taps, 1, l.block, row, 0, l.outer, 1, l.pixel, std::size_t(row * rows)};
}

// Every device: Y = X W^T + b by the device's gemm, its bias and an optional activation in one further pass. A device
// whose products take factors in the type of its values has them as factor<V>(parameter).
template <class Device, class Dense, class Activation, place In, place Out>
struct dense_implementation {
  using T = typename Device::scalar;
  using V = typename Device::value;
  template <class U>
  using parameters = typename Dense::template parameters<U>;
  static constexpr int outputs = Out.extents.channels;
  static constexpr weight_layout weight =
      dense_storage(Dense::describe(In.extents).weight, In, outputs, In.extents.channels);
  static constexpr int columns = int(weight.output_outer);

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Dense>(In.extents);
    s.weight = weight;
    return s;
  }

  dense_implementation(Device&, int) {}

  void forward(Device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const T*> p, const pass&) {
    device.gemm(false, true, x.samples, outputs, columns, x.data, In.strides.sample, factor(device, p.weight), columns,
                T(0), y.data, Out.strides.sample);
    device.template bias_forward<Activation>(y, bias_or_null(p));
  }

  void backward(Device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy, tensor_view<V> dx,
                parameters<const T*> p, parameters<T*> gradients, accumulation adds, const pass&) {
    device.template bias_backward<Activation>(y, dy, bias_or_null(gradients), adds.parameters);
    device.gemm(true, false, outputs, columns, x.samples, dy.data, Out.strides.sample, x.data, In.strides.sample,
                T(adds.parameters), gradients.weight, columns);
    if (!dx) return;
    device.gemm(false, false, x.samples, columns, outputs, dy.data, Out.strides.sample, factor(device, p.weight),
                columns, T(adds.input), dx.data, In.strides.sample);
    // Where the padding of a plain vector is not in the matrix, adding no bias makes it zero.
    if constexpr (columns == In.extents.channels && columns % In.strides.block != 0)
      device.template bias_forward<identity>(dx, nullptr);
  }

 private:
  static const V* factor(Device& device, const T* parameter) {
    if constexpr (requires { device.template factor<V>(parameter); })
      return device.template factor<V>(parameter);
    else
      return parameter;
  }
};

template <class Device, int Outputs, class... Options, place In, place Out>
struct implementation<Device, dense<Outputs, Options...>, In, Out>
    : dense_implementation<Device, dense<Outputs, Options...>, identity, In, Out> {
  using dense_implementation<Device, dense<Outputs, Options...>, identity, In, Out>::dense_implementation;
};

template <class Device, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<Device, fused<dense<Outputs, Options...>, Activation>, In, Out>
    : dense_implementation<Device, dense<Outputs, Options...>, Activation, In, Out> {
  using dense_implementation<Device, dense<Outputs, Options...>, Activation, In, Out>::dense_implementation;
};

}  // namespace firecaffe
