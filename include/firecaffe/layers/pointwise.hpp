#pragma once

#include "../core/host_device.hpp"
#include "../core/implementation.hpp"

namespace firecaffe {

// A pointwise layer is a functor: value(x), and slope(y), the derivative written in terms of the result, so that it
// runs in place. `preserves_zero` says that value(0) == 0; `keeps_order`, where there is one, that value(max(a, b)) ==
// max(value(a), value(b)), and that a slope other than 0 tells a and b apart. Adding one takes ten lines here or
// anywhere else:
//
//   struct square_root : fc::pointwise_layer {
//     static constexpr const char* name = "square_root";
//     static constexpr bool preserves_zero = true;
//     template <class T> static FIRECAFFE_HD T value(T x) { return sqrt(x); }
//     template <class T> static FIRECAFFE_HD T slope(T y) { return T(0.5) / y; }
//   };
struct pointwise_layer : layer_defaults {
  static constexpr bool backward_needs_input = false;
  static constexpr bool backward_needs_output = true;
  static constexpr bool in_place = true;
  static constexpr shape output(shape in) { return in; }
  static constexpr std::int64_t flops(shape in) { return in.elements(); }
};

// One whose slope cannot be written in terms of the result says slope_at(x) instead: it needs its input, and neither
// runs in place nor is done in the pass of the layer before it.
struct pointwise_of_input_layer : layer_defaults {
  static constexpr shape output(shape in) { return in; }
  static constexpr std::int64_t flops(shape in) { return in.elements(); }
};

template <class L>
concept pointwise = layer<L> && requires(float x) {
  L::value(x);
  L::slope(x);
  L::preserves_zero;
};

template <class L>
concept pointwise_of_input = layer<L> && requires(float x) {
  L::value(x);
  L::slope_at(x);
  L::preserves_zero;
};

// Passes its input on. In a network it is no op at all; it is also the activation of a layer that has none.
struct identity : pointwise_layer {
  static constexpr const char* name = "identity";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x;
  }
  template <class T>
  static FIRECAFFE_HD T slope(T) {
    return T(1);
  }
};

template <class Pointwise>
struct value_of_pointwise {
  static constexpr bool preserves_zero = Pointwise::preserves_zero;
  template <class T>
  FIRECAFFE_HD T operator()(T x) const {
    return Pointwise::value(x);
  }
};

// dx = dy * slope(y), or dx + dy * slope(y); of the other kind, slope_at(x)
template <class Pointwise>
struct gradient_of_pointwise {
  static constexpr bool preserves_zero = false;  // a slope at zero need not be finite
  template <class T>
  FIRECAFFE_HD T operator()(T at, T dy) const {
    if constexpr (pointwise_of_input<Pointwise>)
      return dy * Pointwise::slope_at(at);
    else
      return dy * Pointwise::slope(at);
  }
  template <class T>
  FIRECAFFE_HD T operator()(T at, T dy, T dx) const {
    return dx + (*this)(at, dy);
  }
};

template <class Device, class Layer, place In, place Out>
requires(pointwise<Layer> || pointwise_of_input<Layer>) struct implementation<Device, Layer, In, Out> {
  using T = typename Device::scalar;
  using V = typename Device::value;
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(Device&, int) {}

  void forward(Device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const T*>, const pass&) {
    device.transform(y, value_of_pointwise<Layer>{}, x);
  }

  void backward(Device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const T*>, no_parameters<T*>, accumulation adds, const pass&) {
    if (!dx) return;
    const tensor_view<const V> from = dy, at = pointwise_of_input<Layer> ? x : y;
    if (adds.input)
      device.transform(dx, gradient_of_pointwise<Layer>{}, at, from, tensor_view<const V>(dx));
    else
      device.transform(dx, gradient_of_pointwise<Layer>{}, at, from);
  }
};

}  // namespace firecaffe
