#pragma once

#include "../layers/dense.hpp"
#include "conv.hpp"

namespace firecaffe {

template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<dense<Outputs, Options...>, Next> = true;

// As layers/dense.hpp has it for every device, with factors of another type where values are stored as such; gradients
// of the weights come out in single precision. Bias and activation take one further pass.
template <class V, class Dense, class Activation, place In, place Out>
class cuda_dense {
 public:
  template <class U>
  using parameters = typename Dense::template parameters<U>;
  static constexpr weight_layout weight = dense_storage(Dense::describe(In.extents).weight, In);
  static constexpr int outputs = Out.extents.channels, columns = int(weight.output_outer);

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Dense>(In.extents);
    s.weight = weight;
    return s;
  }

  cuda_dense(cuda_device&, int) {}

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const float*> p, const pass&) {
    device.gemm(false, true, x.samples, outputs, columns, x.data, In.strides.sample,
                device.template factor<V>(p.weight), columns, 0, y.data, Out.strides.sample);
    device.template bias_forward<Activation>(y, bias_or_null(p));
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy,
                tensor_view<V> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    device.template bias_backward<Activation>(y, dy, bias_or_null(gradients), adds.parameters);
    const V* slopes = dy.data;
    device.gemm(true, false, outputs, columns, x.samples, slopes, Out.strides.sample, x.data, In.strides.sample,
                float(adds.parameters), gradients.weight, columns);
    if (!dx) return;
    device.gemm(false, false, x.samples, columns, outputs, slopes, Out.strides.sample,
                device.template factor<V>(p.weight), columns, float(adds.input), dx.data, In.strides.sample);
    // The padding of a plain vector is not in the matrix: adding no bias makes it zero.
    if constexpr (In.extents.pixels() == 1 && In.extents.channels % In.strides.block != 0)
      device.template bias_forward<identity>(dx, nullptr);
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
