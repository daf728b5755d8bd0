#pragma once

#include <type_traits>

#include "../core/layer.hpp"
#include "../core/options.hpp"

namespace firecaffe {

struct conv_settings {
  window slide;
  int groups = 1;
  bool bias = true, dilates = true;
  parameter_settings weight{xavier::value}, bias_settings{constant<>::value};
};

// Convolution (N, C, H, W) -> (N, Outputs, H', W'), cross-correlation as everywhere in the field:
//   y[o, h, w] = bias[o] + sum over i, r, s of weight[o, i, r, s] * x[i, h * stride + r * dilation - pad, ...]
//   H' = floor((H + 2 pad - dilation (kernel - 1) - 1) / stride) + 1
// and the same with one more dimension for volumes (N, C, D, H, W); the taps of a weight are row-major over (D, H, W).
// Options: kernel<H, W>, kernel<D, H, W> or kernel<K> (required; see core/options.hpp), stride, pad, dilation,
// groups<G>, no_bias, weight_filler<F> (xavier), bias_filler<F> (0), weight_lr_mult<R>, weight_decay_mult<R>,
// bias_lr_mult<R>, bias_decay_mult<R> (1). With G groups, output channel o sees only the input channels of its group.
template <int Outputs, class... Options>
struct conv : layer_defaults {
  static constexpr const char* name = "conv";
  static constexpr conv_settings settings = configure<conv_settings, Options...>();
  template <class T>
  using parameters = std::conditional_t<settings.bias, weight_and_bias<T>, weight_only<T>>;

  static constexpr window slide(shape in) { return settings.slide.over(in); }

  static constexpr fault check(shape in) {
    const window w = slide(in);
    if (!w.has_kernel()) return fault::kernel_missing;
    if (Outputs < 1 || !w.in_range() || settings.groups < 1) return fault::bad_option_value;
    if (in.channels % settings.groups != 0 || Outputs % settings.groups != 0) return fault::groups_do_not_divide;
    const shape out = output(in);
    return out.depth < 1 || out.height < 1 || out.width < 1 ? fault::window_exceeds_input : fault::none;
  }

  static constexpr shape output(shape in) {
    const window w = slide(in);
    return {Outputs, window::floor_extent(in.height, w.kernel_h, w.stride_h, w.pad_h, w.dilation_h),
            window::floor_extent(in.width, w.kernel_w, w.stride_w, w.pad_w, w.dilation_w),
            window::floor_extent(in.depth, w.kernel_d, w.stride_d, w.pad_d, w.dilation_d)};
  }

  static constexpr parameters<parameter> describe(shape in) {
    parameters<parameter> p{};
    p.weight = {"weight", Outputs, in.channels / settings.groups, slide(in).taps(), settings.weight};
    if constexpr (settings.bias) p.bias = {"bias", Outputs, 1, 1, settings.bias_settings};
    return p;
  }

  static constexpr std::int64_t flops(shape in) {
    const std::int64_t taps = std::int64_t{in.channels} / settings.groups * slide(in).taps();
    return output(in).elements() * (2 * taps + (settings.bias ? 1 : 0));
  }
};

}  // namespace firecaffe
