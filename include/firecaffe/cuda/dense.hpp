#pragma once

#include "../layers/dense.hpp"
#include "device.hpp"

namespace firecaffe {

template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<dense<Outputs, Options...>, Next> = true;

// Y = activation(X W^T + bias): X is (samples, inputs), W (outputs, inputs); a null bias is none. W and the bias have
// rows and elements for the padding of y, all zero. One kernel where nothing or ReLU follows and cuBLASLt has it, which
// adds the bias as factor<V>(bias); else two.
template <class Activation, class V>
void dense_forward(cuda_device& device, tensor_view<V> y, int inputs, rows<const V> x, rows<const V> w,
                   const float* bias) {
  constexpr bool relus = std::is_same_v<Activation, relu>, ends = relus || std::is_same_v<Activation, identity>;
  constexpr cudaDataType_t type = cuda_device::data_type<V>;
  matrix_product p{false,  true,    y.samples, padded_channels<V>(y.extents.channels),
                   inputs, x.pitch, w.pitch,   y.strides.sample,
                   type,   type};
  p.then = bias ? (relus ? p.bias_relu : p.bias) : (relus ? p.relu : p.plain);
  matrix_operands o{x.data, w.data, y.data, 0, const_cast<V*>(device.factor<V>(bias))};
  const bool in_one = ends && device.offers(p, o);
  if (!in_one) p.then = p.plain, o.v = nullptr;
  device.multiply(p, o);
  if (!in_one) device.bias_forward<Activation>(y, bias);
}

// dY *= slope(y); then dW (+)= dY^T X, bias (+)= the sum of dY over samples, and beside them dX (+)= dY W; a null bias
// or dX is none. The kernel of dW sums dY where that stays as it is, nothing is added to and cuBLASLt has it.
template <class Activation, class V>
void dense_backward(cuda_device& device, tensor_view<const V> y, tensor_view<V> dy, int inputs, rows<const V> x,
                    rows<const V> w, rows<V> dx, rows<float> dw, float* bias, accumulation adds) {
  const int outputs = y.extents.channels, padded = padded_channels<V>(outputs);
  const std::ptrdiff_t pitch = dy.strides.sample;
  matrix_product p{true,      false, outputs, inputs, y.samples, pitch, x.pitch, dw.pitch, cuda_device::data_type<V>,
                   CUDA_R_32F};
  p.then = p.row_sums;
  matrix_operands o{dy.data, x.data, dw.data, float(adds.parameters), bias};
  const bool in_one = bias && std::is_same_v<Activation, identity> && !adds.parameters && device.offers(p, o);
  if (!in_one) p.then = p.plain, o.v = nullptr;
  device.both_with_bias<Activation>(
      y, dy, in_one ? nullptr : bias, adds.parameters, [&] { device.multiply(p, o); },
      [&] {
        if (dx.data)
          device.gemm(false, false, y.samples, inputs, padded, dy.data, pitch, w.data, w.pitch, float(adds.input),
                      dx.data, dx.pitch);
      });
}

template <class V, class Dense, class Activation, place In, place Out>
struct cuda_dense {
  template <class U>
  using parameters = typename Dense::template parameters<U>;
  static constexpr weight_layout weight =
      dense_storage(Dense::describe(In.extents).weight, In, padded_channels<V>(Out.extents.channels),
                    padded_channels<V>(In.extents.channels));
  static constexpr int inputs = int(weight.output_outer);  // of a sample, with its padding

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Dense>(In.extents);
    s.weight = weight;
    return s;
  }

  cuda_dense(cuda_device&, int) {}

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const float*> p, const pass&) {
    dense_forward<Activation, V>(device, y, inputs, {x.data, In.strides.sample}, {device.factor<V>(p.weight), inputs},
                                 bias_or_null(p));
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy,
                tensor_view<V> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    dense_backward<Activation, V>(device, y, dy, inputs, {x.data, In.strides.sample},
                                  {device.factor<V>(p.weight), inputs}, {dx.data, In.strides.sample},
                                  {gradients.weight, inputs}, bias_or_null(gradients), adds);
  }
};

template <cuda_policy P, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, dense<Outputs, Options...>, In, Out>
    : cuda_dense<cuda_value<P>, dense<Outputs, Options...>, identity, In, Out> {
  using cuda_dense<cuda_value<P>, dense<Outputs, Options...>, identity, In, Out>::cuda_dense;
};

template <cuda_policy P, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<P>, fused<dense<Outputs, Options...>, Activation>, In, Out>
    : cuda_dense<cuda_value<P>, dense<Outputs, Options...>, Activation, In, Out> {
  using cuda_dense<cuda_value<P>, dense<Outputs, Options...>, Activation, In, Out>::cuda_dense;
};

}  // namespace firecaffe
