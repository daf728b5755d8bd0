#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "cudnn.hpp"

namespace firecaffe {

// Behind a convolution or a matrix product, the pass that adds the bias takes any pointwise layer; going back, the pass
// that sums the bias's gradient multiplies by its slope.
template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<conv<Outputs, Options...>, Next> = true;
template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<dense<Outputs, Options...>, Next> = true;

// cuDNN's convolution between two values. It wants its pixels packed: what lies in a slice of a larger value goes
// through scratch. For y that costs nothing where the bias pass reads or writes there anyway.
class cuda_convolution {
 public:
  cuda_convolution(cuda_device& device, int batch, const cudnn_geometry& g, const layout& x, const layout& y)
      : g_(g), stages_x_(x.pixel != g.x_channels), stages_y_(y.pixel != g.y_channels), vendor_(g) {
    device.scratch(parts(device, batch).total);
  }

  template <class Activation>
  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, const float* weight,
               const float* bias) {
    if (x.samples == 0) return;
    const layout_of_scratch at = parts(device, x.samples);
    char* space = static_cast<char*>(device.scratch(at.total));
    float* out = stages_y_ ? reinterpret_cast<float*>(space + at.y) : y.data;
    vendor_.forward(device, x.samples, staged_input(device, x, space, at), weight, out, space);
    if (stages_y_ && !padded()) {
      device.copy_rows(device.writable(y), {out, g_.y_channels}, device.row_count(y), g_.y_channels,
                       padded_channels(g_.y_channels), false);
      device.bias_forward<Activation>(y, bias);
    } else {
      device.bias_forward<Activation>({out, stages_y_ ? g_.y_channels : y.strides.pixel}, y, bias);
    }
  }

  template <class Activation>
  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, const float* weight, float* weight_gradient, float* bias_gradient,
                accumulation adds) {
    if (x.samples == 0) {
      device.bias_backward<Activation>(y, dy, bias_gradient, adds.parameters);
      const std::size_t extent = cudnn_weight_layout(g_).extent;
      if (!adds.parameters)
        check_status(cudaMemsetAsync(weight_gradient, 0, extent * sizeof(float), device.stream()), "cudaMemsetAsync",
                     device.ordinal());
      return;
    }
    const layout_of_scratch at = parts(device, x.samples);
    char* space = static_cast<char*>(device.scratch(at.total));
    const float* packed_dy = dy.data;
    if (!stages_y_) {
      device.bias_backward<Activation>(y, dy, bias_gradient, adds.parameters);
    } else {
      const rows staged{reinterpret_cast<float*>(space + at.y), g_.y_channels};
      packed_dy = staged.data;
      if (padded()) {
        device.bias_backward<Activation>(y, device.readable(dy), staged, bias_gradient, adds.parameters);
      } else {
        device.bias_backward<Activation>(y, dy, bias_gradient, adds.parameters);
        device.copy_rows(staged, device.readable(dy), device.row_count(dy), g_.y_channels, g_.y_channels, false);
      }
    }
    const float* packed_x = staged_input(device, x, space, at);
    vendor_.backward_weight(device, x.samples, packed_x, packed_dy, weight_gradient, adds.parameters, space);
    if (!dx) return;
    if (!stages_x_) {
      vendor_.backward_input(device, x.samples, weight, packed_dy, dx.data, adds.input, space);
    } else {
      float* staged = reinterpret_cast<float*>(space + at.x);
      vendor_.backward_input(device, x.samples, weight, packed_dy, staged, false, space);
      device.copy_rows(device.writable(dx), {staged, g_.x_channels}, device.row_count(dx), dx.extents.channels,
                       padded_channels(dx.extents.channels), adds.input);
    }
  }

 private:
  struct layout_of_scratch {
    std::size_t x = 0, y = 0, total = 0;  // bytes; the workspace comes first
  };

  layout_of_scratch parts(cuda_device& device, int samples) {
    layout_of_scratch at;
    at.x = round_up(vendor_.workspace(device, samples), 256);
    const auto bytes = [&](bool stages, shape s, int channels) {
      return stages
                 ? round_up(std::size_t(samples) * std::size_t(s.pixels()) * std::size_t(channels) * sizeof(float), 256)
                 : 0;
    };
    at.y = at.x + bytes(stages_x_, g_.in, g_.x_channels);
    at.total = at.y + bytes(stages_y_, g_.out, g_.y_channels);
    return at;
  }

  bool padded() const { return g_.y_channels % quad == 0; }

  const float* staged_input(cuda_device& device, tensor_view<const float> x, char* space,
                            const layout_of_scratch& at) const {
    if (!stages_x_) return x.data;
    float* staged = reinterpret_cast<float*>(space + at.x);
    device.copy_rows({staged, g_.x_channels}, device.readable(x), device.row_count(x), x.extents.channels,
                     g_.x_channels, false);
    return staged;
  }

  cudnn_geometry g_;
  bool stages_x_, stages_y_;
  cudnn_convolution vendor_;
};

template <class T>
T* bias_or_null(const weight_and_bias<T*>& p) {
  return p.bias;
}
template <class T>
T* bias_or_null(const weight_only<T*>&) {
  return nullptr;
}

template <class Conv, class Activation, place In, place Out>
struct cuda_conv {
  template <class U>
  using parameters = typename Conv::template parameters<U>;
  static constexpr cudnn_geometry geometry =
      make_cudnn_geometry(Conv::settings.groups, In.extents, Out.extents, Conv::slide(In.extents));
  static_assert(In.extents.depth == 1 && Out.extents.depth == 1 && geometry.slide.kernel_d == 1,
                "no kernel for volumes on this device");

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Conv>(In.extents);
    s.weight = cudnn_weight_layout(geometry);
    return s;
  }

  cuda_conv(cuda_device& device, int batch) : run_(device, batch, geometry, In.strides, Out.strides) {}

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass&) {
    run_.template forward<Activation>(device, x, y, p.weight, bias_or_null(p));
  }

  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    run_.template backward<Activation>(device, x, y, dy, dx, p.weight, gradients.weight, bias_or_null(gradients), adds);
  }

 private:
  cuda_convolution run_;
};

template <cuda_math Math, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cuda<Math>, conv<Outputs, Options...>, In, Out>
    : cuda_conv<conv<Outputs, Options...>, identity, In, Out> {
  using cuda_conv<conv<Outputs, Options...>, identity, In, Out>::cuda_conv;
};

template <cuda_math Math, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<Math>, fused<conv<Outputs, Options...>, Activation>, In, Out>
    : cuda_conv<conv<Outputs, Options...>, Activation, In, Out> {
  using cuda_conv<conv<Outputs, Options...>, Activation, In, Out>::cuda_conv;
};

}  // namespace firecaffe
