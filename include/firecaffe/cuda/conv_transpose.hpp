#pragma once

#include "../layers/conv_transpose.hpp"
#include "conv.hpp"

namespace firecaffe {

template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<conv_transpose<Outputs, Options...>, Next> = true;

// cuDNN's convolution from the large side to the small one, its passes exchanged: forward is its gradient of the data,
// the gradient of the data its forward, and in that of the weights x and dy change places. Slices go through scratch.
class cuda_transposed_convolution {
 public:
  cuda_transposed_convolution(cuda_device& device, int batch, const cudnn_geometry& g, const layout& x, const layout& y)
      : g_(g), stages_x_(x.pixel != g.y_channels), stages_y_(y.pixel != g.x_channels), vendor_(g) {
    device.scratch(parts(device, batch).total);
  }

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, const float* weight) {
    if (x.samples == 0) return;
    const layout_of_scratch at = parts(device, x.samples);
    char* space = static_cast<char*>(device.scratch(at.total));
    float* out = stages_y_ ? reinterpret_cast<float*>(space + at.y) : y.data;
    vendor_.backward_input(device, x.samples, weight, packed_x(device, x, space, at), out, false, space);
    if (stages_y_)
      device.copy_rows(device.writable(y), {out, g_.x_channels}, device.row_count(y), y.extents.channels,
                       padded_channels(y.extents.channels), false);
  }

  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float> dy, tensor_view<float> dx,
                const float* weight, float* weight_gradient, accumulation adds) {
    if (x.samples == 0) {
      if (!adds.parameters)
        check_status(
            cudaMemsetAsync(weight_gradient, 0, cudnn_weight_layout(g_).extent * sizeof(float), device.stream()),
            "cudaMemsetAsync", device.ordinal());
      return;
    }
    const layout_of_scratch at = parts(device, x.samples);
    char* space = static_cast<char*>(device.scratch(at.total));
    const float* packed_dy = dy.data;
    if (stages_y_) {
      float* staged = reinterpret_cast<float*>(space + at.y);
      device.copy_rows({staged, g_.x_channels}, device.readable(dy), device.row_count(dy), dy.extents.channels,
                       g_.x_channels, false);
      packed_dy = staged;
    }
    vendor_.backward_weight(device, x.samples, packed_dy, packed_x(device, x, space, at), weight_gradient,
                            adds.parameters, space);
    if (!dx) return;
    float* out = stages_x_ ? reinterpret_cast<float*>(space + at.x) : dx.data;
    vendor_.forward(device, x.samples, packed_dy, weight, out, space, !stages_x_ && adds.input);
    if (stages_x_)
      device.copy_rows(device.writable(dx), {out, g_.y_channels}, device.row_count(dx), dx.extents.channels,
                       padded_channels(dx.extents.channels), adds.input);
  }

 private:
  struct layout_of_scratch {
    std::size_t x = 0, y = 0, total = 0;  // bytes; the workspace comes first
  };

  layout_of_scratch parts(cuda_device& device, int samples) {
    const auto bytes = [&](bool stages, shape s, int channels) {
      return stages
                 ? round_up(std::size_t(samples) * std::size_t(s.pixels()) * std::size_t(channels) * sizeof(float), 256)
                 : 0;
    };
    layout_of_scratch at;
    at.x = round_up(vendor_.workspace(device, samples), 256);
    at.y = at.x + bytes(stages_x_, g_.out, g_.y_channels);
    at.total = at.y + bytes(stages_y_, g_.in, g_.x_channels);
    return at;
  }

  const float* packed_x(cuda_device& device, tensor_view<const float> x, char* space,
                        const layout_of_scratch& at) const {
    if (!stages_x_) return x.data;
    float* staged = reinterpret_cast<float*>(space + at.x);
    device.copy_rows({staged, g_.y_channels}, device.readable(x), device.row_count(x), x.extents.channels,
                     g_.y_channels, false);
    return staged;
  }

  cudnn_geometry g_;  // of the convolution: `in` is the large side
  bool stages_x_, stages_y_;
  cudnn_convolution vendor_;
};

template <class Layer, class Activation, place In, place Out>
struct cuda_conv_transpose {
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr cudnn_geometry geometry =
      make_cudnn_geometry(Layer::settings.groups, Out.extents, In.extents, Layer::slide(In.extents));
  static_assert(In.extents.depth == 1 && Out.extents.depth == 1 && geometry.slide.kernel_d == 1,
                "no kernel for volumes on this device");

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Layer>(In.extents);
    s.weight = cudnn_weight_layout(geometry);
    return s;
  }

  cuda_conv_transpose(cuda_device& device, int batch) : run_(device, batch, geometry, In.strides, Out.strides) {}

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass&) {
    run_.forward(device, x, y, p.weight);
    device.template bias_forward<Activation>(y, bias_or_null(p));
  }

  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    device.template bias_backward<Activation>(y, dy, bias_or_null(gradients), adds.parameters);
    run_.backward(device, x, dy, dx, p.weight, gradients.weight, adds);
  }

 private:
  cuda_transposed_convolution run_;
};

template <cuda_math Math, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cuda<Math>, conv_transpose<Outputs, Options...>, In, Out>
    : cuda_conv_transpose<conv_transpose<Outputs, Options...>, identity, In, Out> {
  using cuda_conv_transpose<conv_transpose<Outputs, Options...>, identity, In, Out>::cuda_conv_transpose;
};

template <cuda_math Math, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<Math>, fused<conv_transpose<Outputs, Options...>, Activation>, In, Out>
    : cuda_conv_transpose<conv_transpose<Outputs, Options...>, Activation, In, Out> {
  using cuda_conv_transpose<conv_transpose<Outputs, Options...>, Activation, In, Out>::cuda_conv_transpose;
};

}  // namespace firecaffe
