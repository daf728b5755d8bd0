#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "narrow_conv.hpp"
#include "onednn.hpp"

namespace firecaffe {

// oneDNN's convolution ends in a ReLU; the loop behind a matrix product takes any pointwise layer.
template <int Outputs, class... Options>
constexpr bool cpu_fuses<conv<Outputs, Options...>, relu> = true;
template <int Outputs, class... Options, pointwise Next>
constexpr bool cpu_fuses<dense<Outputs, Options...>, Next> = true;

// Which kernels a convolution gets: our own where channels do not fill the vendor's vectors and the geometry is plain.
template <int Block, class Conv>
constexpr bool runs_narrow(place in, place out) {
  const window s = Conv::slide(in.extents);
  const bool flat = in.extents.depth == 1 && s.kernel_d == 1 && s.pad_d == 0;
  const bool plain = s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 && s.pad_w == 0 && s.dilation_h == 1 &&
                     s.dilation_w == 1 && Conv::settings.groups == 1;
  const bool ragged = in.extents.channels % Block != 0 || out.extents.channels % Block != 0;
  const int taps = s.taps();
  return flat && plain && ragged && out.strides.block == Block && s.kernel_w <= 11 && taps > 1 &&
         in.extents.channels * taps * out.extents.channels <= 64 * 1024;
}

// For one channel block of one sample: dy *= slope(y), and total += the sum of dy over the pixels.
template <class Activation, place Out>
void mask_and_sum(const float* y, float* dy, float* total) {
  constexpr int lanes = Out.strides.block;
  for (int p = 0; p < Out.extents.pixels(); ++p)
    for (int l = 0; l < lanes; ++l) {
      if constexpr (!std::is_same_v<Activation, identity>) dy[p * lanes + l] *= Activation::slope(y[p * lanes + l]);
      total[l] += dy[p * lanes + l];
    }
}

// dy *= slope(y), then bias (+)= the sum of dy over samples and pixels. Threads share blocks, so that the order is
// fixed.
template <int Block, class Activation, place Out>
void conv_bias_backward(int threads, tensor_view<const float> y, tensor_view<float> dy, float* bias, bool add) {
  constexpr int lanes = Out.strides.block, blocks = (Out.extents.channels + lanes - 1) / lanes;
  if (std::is_same_v<Activation, identity> && !bias) return;
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int b = 0; b < blocks; ++b) {
    float total[lanes] = {};
    for (int n = 0; n < dy.samples; ++n) {
      const std::ptrdiff_t at = n * Out.strides.sample + b * Out.strides.outer;
      mask_and_sum<Activation, Out>(y.data + at, dy.data + at, total);
    }
    if (!bias) continue;
    for (int l = 0; l < lanes && b * lanes + l < Out.extents.channels; ++l)
      bias[b * lanes + l] = total[l] + (add ? bias[b * lanes + l] : 0.0f);
  }
}

template <int Block, class Conv, class Activation, place In, place Out>
struct cpu_conv {
  template <class U>
  using parameters = typename Conv::template parameters<U>;
  static constexpr bool has_bias = Conv::settings.bias;
  static constexpr onednn_geometry geometry{Block,
                                            Conv::settings.groups,
                                            In.extents,
                                            Out.extents,
                                            In.strides,
                                            Out.strides,
                                            Conv::slide(In.extents),
                                            has_bias,
                                            !std::is_same_v<Activation, identity>};

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Conv>(In.extents);
    s.weight = onednn_weight_layout(geometry);
    return s;
  }

  cpu_conv(basic_cpu<Block>& device, int batch) : vendor_(geometry) { vendor_.prepare(batch, device.threads()); }

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass&) {
    const float* bias = nullptr;
    if constexpr (has_bias) bias = p.bias;
    vendor_.forward(device.threads(), device.scratch(), x.samples, x.data, y.data, p.weight, bias);
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    float* bias = nullptr;
    if constexpr (has_bias) bias = gradients.bias;
    conv_bias_backward<Block, Activation, Out>(device.threads(), y, dy, bias, adds.parameters);
    if (x.samples == 0 && !adds.parameters) std::memset(gradients.weight, 0, storage().weight.extent * sizeof(float));
    vendor_.backward_weight(device.threads(), device.scratch(), x.samples, x.data, dy.data, gradients.weight,
                            adds.parameters);
    if (dx)
      vendor_.backward_input(device.threads(), device.scratch(), x.samples, dx.data, dy.data, p.weight, adds.input);
  }

 private:
  onednn_convolution vendor_;
};

template <int Block, class Conv, class Activation, place In, place Out>
struct cpu_narrow_conv {
  template <class U>
  using parameters = typename Conv::template parameters<U>;
  static constexpr bool has_bias = Conv::settings.bias;
  using kernels = narrow_conv<Block, In.extents, In.strides, Out.extents, Conv::slide(In.extents).kernel_h,
                              Conv::slide(In.extents).kernel_w>;

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Conv>(In.extents);
    s.weight = kernels::storage();
    if constexpr (has_bias) s.bias.extent = kernels::padded_outputs;
    return s;
  }

  cpu_narrow_conv(basic_cpu<Block>& device, int)
      : transposed_(std::size_t(kernels::taps) * kernels::outputs * kernels::padded_inputs),
        partial_(share * std::size_t(device.threads())),
        blocks_(blocked_input * std::size_t(device.threads())) {}

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass&) {
    alignas(64) static constexpr float zeros[kernels::padded_outputs] = {};
    const float* bias = zeros;
    if constexpr (has_bias) bias = p.bias;
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < x.samples; ++n)
      kernels::template forward<Activation>(x.data + n * In.strides.sample, y.data + n * Out.strides.sample, p.weight,
                                            bias);
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    const int threads = device.threads();
    if (!adds.parameters) std::memset(gradients.weight, 0, kernels::weight_elements * sizeof(float));
    if (dx) kernels::transpose(p.weight, transposed_.data());
      // A sample goes through all three passes while it is in the cache. Each thread sums its share of the samples; the
      // shares are added in order, so that a run repeats to the bit.
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int t = 0; t < threads; ++t) {
      float* bias = partial_.data() + t * share;
      float* weight = t == 0 ? gradients.weight : bias + kernels::padded_outputs;
      std::memset(bias, 0, sizeof(float) * (t == 0 ? std::size_t{kernels::padded_outputs} : share));
      for (int n = x.samples * t / threads; n < x.samples * (t + 1) / threads; ++n) {
        const float* out = y.data + n * Out.strides.sample;
        float* from = dy.data + n * Out.strides.sample;
        for (int b = 0; b < kernels::out_blocks; ++b)
          mask_and_sum<Activation, Out>(out + b * Out.strides.outer, from + b * Out.strides.outer, bias + b * Block);
        kernels::backward_weight(x.data + n * In.strides.sample, from, weight);
        if (!dx) continue;
        float* to = dx.data + n * In.strides.sample;
        if constexpr (In.strides.block == Block)
          kernels::backward_input(to, from, transposed_.data(), adds.input);
        else
          unblocked_input(to, from, blocks_.data() + t * blocked_input, adds.input);
      }
    }
    for (int t = 1; t < threads; ++t)
      for (std::size_t i = 0; i < kernels::weight_elements; ++i)
        gradients.weight[i] += partial_.data()[t * share + kernels::padded_outputs + i];
    if constexpr (has_bias)
      for (int o = 0; o < kernels::outputs; ++o) {
        float total = adds.parameters ? gradients.bias[o] : 0.0f;
        for (int t = 0; t < threads; ++t) total += partial_.data()[t * share + o];
        gradients.bias[o] = total;
      }
  }

 private:
  static constexpr std::size_t share = kernels::padded_outputs + kernels::weight_elements;  // of a thread

  // Up to four channels lie as (C, H, W); the kernel makes whole blocks.
  static constexpr std::size_t blocked_input =
      In.strides.block == Block ? 0 : std::size_t{kernels::padded_inputs} * In.extents.pixels();

  void unblocked_input(float* dx, const float* dy, float* blocks, bool add) {
    constexpr int pixels = In.extents.pixels();
    kernels::backward_input(blocks, dy, transposed_.data(), false);
    for (int c = 0; c < In.extents.channels; ++c)
      for (int p = 0; p < pixels; ++p) dx[c * pixels + p] = blocks[p * Block + c] + (add ? dx[c * pixels + p] : 0.0f);
  }

  aligned_memory<float> transposed_, partial_, blocks_;
};

template <int Block, class Conv, class Activation, place In, place Out>
using cpu_conv_kernels =
    std::conditional_t<runs_narrow<Block, Conv>(In, Out), cpu_narrow_conv<Block, Conv, Activation, In, Out>,
                       cpu_conv<Block, Conv, Activation, In, Out>>;

template <int Block, int Outputs, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, conv<Outputs, Options...>, In, Out>
    : cpu_conv_kernels<Block, conv<Outputs, Options...>, identity, In, Out> {
  using cpu_conv_kernels<Block, conv<Outputs, Options...>, identity, In, Out>::cpu_conv_kernels;
};

template <int Block, int Outputs, class... Options, class Activation, place In, place Out>
struct implementation<basic_cpu<Block>, fused<conv<Outputs, Options...>, Activation>, In, Out>
    : cpu_conv_kernels<Block, conv<Outputs, Options...>, Activation, In, Out> {
  using cpu_conv_kernels<Block, conv<Outputs, Options...>, Activation, In, Out>::cpu_conv_kernels;
};

}  // namespace firecaffe
