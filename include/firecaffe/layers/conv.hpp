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
// Options: kernel<H, W> (required), stride, pad, dilation, groups<G>, no_bias, weight_filler<F> (xavier),
// bias_filler<F> (0), weight_lr_mult<R>, weight_decay_mult<R>, bias_lr_mult<R>, bias_decay_mult<R> (1). With G groups,
// output channel o sees only the input channels of its group.
template <int Outputs, class... Options>
struct conv : layer_defaults {
  static constexpr const char* name = "conv";
  static constexpr conv_settings settings = configure<conv_settings, Options...>();
  template <class T>
  using parameters = std::conditional_t<settings.bias, weight_and_bias<T>, weight_only<T>>;

  static constexpr fault check(shape in) {
    constexpr window w = settings.slide;
    if (w.kernel_h < 1 || w.kernel_w < 1) return fault::kernel_missing;
    if (Outputs < 1 || w.stride_h < 1 || w.stride_w < 1 || w.pad_h < 0 || w.pad_w < 0 || w.dilation_h < 1 ||
        w.dilation_w < 1 || settings.groups < 1)
      return fault::bad_option_value;
    if (in.depth != 1) return fault::not_two_dimensional;
    if (in.channels % settings.groups != 0 || Outputs % settings.groups != 0) return fault::groups_do_not_divide;
    const shape out = output(in);
    return out.height < 1 || out.width < 1 ? fault::window_exceeds_input : fault::none;
  }

  static constexpr shape output(shape in) {
    constexpr window w = settings.slide;
    return {Outputs, window::floor_extent(in.height, w.kernel_h, w.stride_h, w.pad_h, w.dilation_h),
            window::floor_extent(in.width, w.kernel_w, w.stride_w, w.pad_w, w.dilation_w)};
  }

  static constexpr parameters<parameter> describe(shape in) {
    parameters<parameter> p{};
    p.weight = {"weight", Outputs, in.channels / settings.groups, settings.slide.kernel_h * settings.slide.kernel_w,
                settings.weight};
    if constexpr (settings.bias) p.bias = {"bias", Outputs, 1, 1, settings.bias_settings};
    return p;
  }

  static constexpr std::int64_t flops(shape in) {
    const std::int64_t taps = in.channels / settings.groups * settings.slide.kernel_h * settings.slide.kernel_w;
    return output(in).elements() * (2 * taps + (settings.bias ? 1 : 0));
  }
};

}  // namespace firecaffe
