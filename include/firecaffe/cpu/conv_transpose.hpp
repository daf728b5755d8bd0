#pragma once

#include "../layers/conv_transpose.hpp"
#include "conv.hpp"

namespace firecaffe {

// The pass that adds the bias takes any pointwise layer.
template <int Outputs, class... Options, pointwise Next>
constexpr bool cpu_fuses<conv_transpose<Outputs, Options...>, Next> = true;

// y = activation(y + bias); a null bias is none. Padding stays zero.
template <int Block, class Activation, place Out>
void conv_bias_forward(int threads, tensor_view<float> y, const float* bias) {
  constexpr int lanes = Out.strides.block, blocks = (Out.extents.channels + lanes - 1) / lanes;
  if (std::is_same_v<Activation, identity> && !bias) return;
#pragma omp parallel for num_threads(threads) if (threads > 1) collapse(2)
  for (int n = 0; n < y.samples; ++n)
    for (int b = 0; b < blocks; ++b) {
      float add[lanes] = {};
      for (int l = 0; bias && l < lanes && b * lanes + l < Out.extents.channels; ++l) add[l] = bias[b * lanes + l];
      float* at = y.data + n * Out.strides.sample + b * Out.strides.outer;
      for (int p = 0; p < Out.extents.pixels(); ++p)
        for (int l = 0; l < lanes; ++l) at[p * lanes + l] = Activation::value(at[p * lanes + l] + add[l]);
      if (!Activation::preserves_zero && b + 1 == blocks) basic_cpu<Block>::clear_padding(y, n);
    }
}

// oneDNN's convolution from the large side to the small one, its passes exchanged: forward is its gradient of the data,
// the gradient of the data its forward, and in that of the weights x and dy change places.
template <int Block, class Layer, class Activation, place In, place Out>
struct cpu_conv_transpose {
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr bool has_bias = Layer::settings.bias;
  static constexpr onednn_geometry geometry{Block,      Layer::settings.groups,  Out.extents, In.extents, Out.strides,
                                            In.strides, Layer::slide(In.extents)};

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Layer>(In.extents);
    s.weight = onednn_weight_layout(geometry);
    return s;
  }

  cpu_conv_transpose(basic_cpu<Block>& device, int batch) : vendor_(geometry) {
    vendor_.prepare(batch, device.threads());
  }

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass&) {
    const float* bias = nullptr;
    if constexpr (has_bias) bias = p.bias;
    vendor_.backward_input(device.threads(), device.scratch(), x.samples, y.data, x.data, p.weight, false);
    conv_bias_forward<Block, Activation, Out>(device.threads(), y, bias);
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    float* bias = nullptr;
    if constexpr (has_bias) bias = gradients.bias;
    conv_bias_backward<Block, Activation, Out>(device.threads(), y, dy, bias, adds.parameters);
    if (x.samples == 0 && !adds.parameters) std::memset(gradients.weight, 0, storage().weight.extent * sizeof(float));
    vendor_.backward_weight(device.threads(), device.scratch(), x.samples, dy.data, x.data, gradients.weight,
                            adds.parameters);
    if (dx)
      vendor_.forward(device.threads(), device.scratch(), x.samples, dy.data, dx.data, p.weight, nullptr, adds.input);
  }

 private:
  onednn_convolution vendor_;
};

template <int Block, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, conv_transpose<Outputs, Options...>, In, Out>
    : cpu_conv_transpose<Block, conv_transpose<Outputs, Options...>, identity, In, Out> {
  using cpu_conv_transpose<Block, conv_transpose<Outputs, Options...>, identity, In, Out>::cpu_conv_transpose;
};

template <int Block, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cpu<Block>, fused<conv_transpose<Outputs, Options...>, Activation>, In, Out>
    : cpu_conv_transpose<Block, conv_transpose<Outputs, Options...>, Activation, In, Out> {
  using cpu_conv_transpose<Block, conv_transpose<Outputs, Options...>, Activation, In, Out>::cpu_conv_transpose;
};

}  // namespace firecaffe
