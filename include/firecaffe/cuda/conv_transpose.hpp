#pragma once

#include "../layers/conv_transpose.hpp"
#include "conv.hpp"

namespace firecaffe {

template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<conv_transpose<Outputs, Options...>, Next> = true;

// The convolution from the large side to the small one, its passes exchanged: forward is its gradient of the data, the
// gradient of the data its forward, and in that of the weights x and dy change places.
template <class V, class Layer, class Activation, place In, place Out>
class cuda_conv_transpose {
 public:
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr cudnn_geometry geometry =
      make_cudnn_geometry<V>(Layer::settings.groups, Out.extents, In.extents, Layer::slide(In.extents));

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Layer>(In.extents);
    s.weight = cudnn_weight_layout(geometry);
    return s;
  }

  cuda_conv_transpose(cuda_device& device, int batch) : products_(geometry) {
    device.scratch(products_.workspace(device, request(cudnn_request::input_gradient, batch)));
    if (!Out.gradient) return;
    if (In.gradient) device.scratch(products_.workspace(device, request(cudnn_request::forward, batch)));
    const cudnn_request w = request(cudnn_request::weight_gradient, batch);
    device.beside([&] { device.scratch(products_.weight_gradient_space(device, w)); });
  }

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const float*> p, const pass&) {
    if (x.samples == 0) return;
    const cudnn_request r = request(cudnn_request::input_gradient, x.samples);
    products_.run(device, r, y.data, device.template factor<V>(p.weight), x.data, nullptr,
                  device.scratch(products_.workspace(device, r)));
    device.template bias_forward<Activation>(y, bias_or_null(p));
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy,
                tensor_view<V> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    float* const bias = bias_or_null(gradients);
    if (x.samples == 0) {
      device.template bias_backward<Activation>(y, dy, bias, adds.parameters);
      return products_.no_weight_gradient(device, gradients.weight, adds.parameters);
    }
    device.template both_with_bias<Activation>(
        y, dy, bias, adds.parameters,
        [&] {
          products_.weight_gradient(device, request(cudnn_request::weight_gradient, x.samples), dy.data, x.data,
                                    gradients.weight, adds.parameters);
        },
        [&] {
          if (!dx) return;
          cudnn_request r = request(cudnn_request::forward, x.samples);
          r.add = adds.input;
          products_.run(device, r, dy.data, device.template factor<V>(p.weight), dx.data, nullptr,
                        device.scratch(products_.workspace(device, r)));
          if (geometry.y_channels % lanes<V> != 0)
            device.template bias_forward<identity>(dx, nullptr);  // clears the padding
        });
  }

 private:
  static cudnn_request request(cudnn_request::pass what, int samples) {
    return {what, samples, Out.strides.pixel, In.strides.pixel};
  }

  cuda_products<V> products_;
};

template <cuda_policy P, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, conv_transpose<Outputs, Options...>, In, Out>
    : cuda_conv_transpose<cuda_value<P>, conv_transpose<Outputs, Options...>, identity, In, Out> {
  using cuda_conv_transpose<cuda_value<P>, conv_transpose<Outputs, Options...>, identity, In, Out>::cuda_conv_transpose;
};

template <cuda_policy P, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<P>, fused<conv_transpose<Outputs, Options...>, Activation>, In, Out>
    : cuda_conv_transpose<cuda_value<P>, conv_transpose<Outputs, Options...>, Activation, In, Out> {
  using cuda_conv_transpose<cuda_value<P>, conv_transpose<Outputs, Options...>, Activation, In,
                            Out>::cuda_conv_transpose;
};

}  // namespace firecaffe
