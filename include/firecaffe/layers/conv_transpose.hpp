#pragma once

#include <type_traits>

#include "conv.hpp"

namespace firecaffe {

// Transposed convolution, Caffe's Deconvolution and PyTorch's ConvTranspose2d and 3d: (N, C, H, W) -> (N, Outputs, H',
// W'), volumes too. It is what the gradient of a convolution does with that convolution's output:
//   y[o, q] = bias[o] + sum over i, r, p with q = p * stride + r * dilation - pad of weight[i, o, r] * x[i, p]
//   H' = stride (H - 1) + dilation (kernel - 1) + 1 - 2 pad
// Options: those of conv. Weights are stored as (C, Outputs / groups, K), as Caffe and PyTorch store them, taps
// row-major; fan_in of the fillers is Outputs / groups * K, as theirs. With G groups, input channel i reaches only the
// outputs of its group. Enlarging by a factor f, one channel a group, starts with weight_filler<bilinear>
// (core/filler.hpp), which is for planes and square kernels alone.
template <int Outputs, class... Options>
struct conv_transpose : layer_defaults {
  static constexpr const char* name = "conv_transpose";
  static constexpr conv_settings settings = configure<conv_settings, Options...>();
  template <class T>
  using parameters = std::conditional_t<settings.bias, weight_and_bias<T>, weight_only<T>>;

  static constexpr window slide(shape in) { return settings.slide.over(in); }

  static constexpr fault check(shape in) {
    const window w = slide(in);
    if (!w.has_kernel()) return fault::kernel_missing;
    const bool square = w.kernel_d == 1 && w.kernel_h == w.kernel_w;
    if (Outputs < 1 || !w.in_range() || settings.groups < 1 ||
        (settings.weight.fill.kind == filler::bilinear && !square))
      return fault::bad_option_value;
    if (in.channels % settings.groups != 0 || Outputs % settings.groups != 0) return fault::groups_do_not_divide;
    const shape out = output(in);  // nothing is left where the padding takes it all
    return out.depth < 1 || out.height < 1 || out.width < 1 ? fault::bad_option_value : fault::none;
  }

  static constexpr shape output(shape in) {
    const window w = slide(in);
    return {Outputs, window::transposed_extent(in.height, w.kernel_h, w.stride_h, w.pad_h, w.dilation_h),
            window::transposed_extent(in.width, w.kernel_w, w.stride_w, w.pad_w, w.dilation_w),
            window::transposed_extent(in.depth, w.kernel_d, w.stride_d, w.pad_d, w.dilation_d)};
  }

  static constexpr parameters<parameter> describe(shape in) {
    parameters<parameter> p{};
    p.weight = {"weight", in.channels, Outputs / settings.groups, slide(in).taps(), settings.weight};
    if constexpr (settings.bias) p.bias = {"bias", Outputs, 1, 1, settings.bias_settings};
    return p;
  }

  static constexpr std::int64_t flops(shape in) {
    return 2 * in.elements() * (Outputs / settings.groups) * slide(in).taps() +
           (settings.bias ? output(in).elements() : 0);
  }
};

}  // namespace firecaffe
