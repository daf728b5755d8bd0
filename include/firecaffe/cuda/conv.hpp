#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "conv_products.hpp"

namespace firecaffe {

// Behind a convolution the bias is added in the pass of any pointwise layer, or, before ReLU and where nothing follows,
// by the convolution itself; going back, the pass that sums the bias's gradient multiplies by the slope.
template <int Outputs, class... Options, pointwise Next>
constexpr bool cuda_fuses<conv<Outputs, Options...>, Next> = true;

// A convolution between two values. Slices of larger values are taken as they lie (cuDNN makes copies of its own); only
// dy is packed on the way, where the pass that multiplies by the slope writes there anyway.
template <class V>
class cuda_convolution {
 public:
  cuda_convolution(const cudnn_geometry& g, const place& x, const place& y)
      : g_(g),
        x_pitch_(x.strides.pixel),
        y_pitch_(y.strides.pixel),
        x_gradient_(x.gradient),
        y_gradient_(y.gradient),
        whole_packs_(g.y_channels % lanes<V> == 0),
        stages_dy_(whole_packs_ && y.strides.pixel != g.y_channels),
        products_(g) {}

  // Scratch for what will be asked of it.
  template <class Activation>
  void prepare(cuda_device& device, int batch, bool biased) {
    device.scratch(products_.workspace(device, forward_request<Activation>(batch, biased)));
    if (!y_gradient_) return;
    const cudnn_request x_gradient = backward_request(cudnn_request::input_gradient, batch);
    device.scratch(staged_dy_bytes(batch) + (x_gradient_ ? products_.workspace(device, x_gradient) : 0));
    const cudnn_request w_gradient = backward_request(cudnn_request::weight_gradient, batch);
    device.beside([&] { device.scratch(products_.weight_gradient_space(device, w_gradient)); });
  }

  template <class Activation>
  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, const float* weight, const float* bias) {
    if (x.samples == 0) return;
    const cudnn_request r = forward_request<Activation>(x.samples, bias != nullptr);
    const bool adds_bias = r.what != cudnn_request::forward;
    products_.run(device, r, x.data, device.template factor<V>(weight), y.data,
                  adds_bias ? device.template factor<V>(bias) : nullptr,
                  device.scratch(products_.workspace(device, r)));
    if (!adds_bias) device.template bias_forward<Activation>(y, bias);
  }

  template <class Activation>
  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy,
                tensor_view<V> dx, const float* weight, float* weight_gradient, float* bias_gradient,
                accumulation adds) {
    if (x.samples == 0) {
      device.template bias_backward<Activation>(y, dy, bias_gradient, adds.parameters);
      return products_.no_weight_gradient(device, weight_gradient, adds.parameters);
    }
    const cudnn_request for_w = backward_request(cudnn_request::weight_gradient, x.samples);
    const cudnn_request for_x = backward_request(cudnn_request::input_gradient, x.samples, adds.input);
    const std::size_t staged_bytes = staged_dy_bytes(x.samples);
    const std::size_t work_bytes = dx ? products_.workspace(device, for_x) : 0;
    char* const base = static_cast<char*>(device.scratch(staged_bytes + work_bytes));
    const V* const from = stages_dy_ ? reinterpret_cast<V*>(base) : dy.data;
    const auto to_weight = [&] {
      products_.weight_gradient(device, for_w, x.data, from, weight_gradient, adds.parameters);
    };
    const auto to_input = [&] {
      if (!dx) return;
      products_.run(device, for_x, dx.data, device.template factor<V>(weight), from, nullptr, base + staged_bytes);
      if (g_.x_channels % lanes<V> != 0) device.template bias_forward<identity>(dx, nullptr);  // clears the padding
    };
    if (stages_dy_) {
      const rows<V> staged{reinterpret_cast<V*>(base), g_.y_channels};
      device.template bias_backward<Activation>(y, dy, staged, bias_gradient, adds.parameters);
      device.both(to_weight, to_input);
    } else {
      device.template both_with_bias<Activation>(y, dy, bias_gradient, adds.parameters, to_weight, to_input);
    }
  }

 private:
  // Bias and ReLU go along where they can.
  template <class Activation>
  cudnn_request forward_request(int samples, bool biased) const {
    constexpr bool rectifies = std::is_same_v<Activation, relu>, passes = std::is_same_v<Activation, identity>;
    const bool adds_bias = biased && whole_packs_ && (rectifies || passes);
    const auto what = !adds_bias  ? cudnn_request::forward
                      : rectifies ? cudnn_request::forward_bias_relu
                                  : cudnn_request::forward_bias;
    return {what, samples, x_pitch_, y_pitch_};
  }
  cudnn_request backward_request(cudnn_request::pass what, int samples, bool add = false) const {
    return {what, samples, x_pitch_, stages_dy_ ? g_.y_channels : y_pitch_, add};
  }
  std::size_t staged_dy_bytes(int samples) const {
    const std::size_t pixels = std::size_t(samples) * std::size_t(g_.out.pixels());
    return stages_dy_ ? round_up(pixels * std::size_t(g_.y_channels) * sizeof(V), 256) : 0;
  }

  cudnn_geometry g_;
  std::int64_t x_pitch_, y_pitch_;
  bool x_gradient_, y_gradient_;
  bool whole_packs_, stages_dy_;  // channels of y are whole packs; its dy is packed
  cuda_products<V> products_;
};

template <class V, class Conv, class Activation, place In, place Out>
struct cuda_conv {
  template <class U>
  using parameters = typename Conv::template parameters<U>;
  static constexpr cudnn_geometry geometry =
      make_cudnn_geometry<V>(Conv::settings.groups, In.extents, Out.extents, Conv::slide(In.extents));

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Conv>(In.extents);
    s.weight = cudnn_weight_layout(geometry);
    return s;
  }

  cuda_conv(cuda_device& device, int batch) : run_(geometry, In, Out) {
    run_.template prepare<Activation>(device, batch, Conv::settings.bias);
  }

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const float*> p, const pass&) {
    run_.template forward<Activation>(device, x, y, p.weight, bias_or_null(p));
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy,
                tensor_view<V> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    run_.template backward<Activation>(device, x, y, dy, dx, p.weight, gradients.weight, bias_or_null(gradients), adds);
  }

 private:
  cuda_convolution<V> run_;
};

template <cuda_policy P, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, conv<Outputs, Options...>, In, Out>
    : cuda_conv<cuda_value<P>, conv<Outputs, Options...>, identity, In, Out> {
  using cuda_conv<cuda_value<P>, conv<Outputs, Options...>, identity, In, Out>::cuda_conv;
};

template <cuda_policy P, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<P>, fused<conv<Outputs, Options...>, Activation>, In, Out>
    : cuda_conv<cuda_value<P>, conv<Outputs, Options...>, Activation, In, Out> {
  using cuda_conv<cuda_value<P>, conv<Outputs, Options...>, Activation, In, Out>::cuda_conv;
};

}  // namespace firecaffe
