#pragma once

#include "../core/layer.hpp"
#include "../core/options.hpp"

namespace firecaffe {

struct pool_settings {
  window slide;
  bool ceil = false, global = false;
};

// What both kinds of pooling share: (N, C, H, W) -> (N, C, H', W').
// Options: kernel<H, W> or global, stride (1), pad (0), ceil_mode. Without ceil_mode
//   H' = floor((H + 2 pad - kernel) / stride) + 1;  with it, Caffe's ceil, and no window may start in the lower
//   padding.
template <class... Options>
struct pool_layer : layer_defaults {
  static constexpr pool_settings settings = configure<pool_settings, Options...>();

  static constexpr window slide(shape in) {
    if constexpr (settings.global) return {in.height, in.width};
    return settings.slide;
  }

  static constexpr fault check(shape in) {
    const window w = slide(in);
    if (w.kernel_h < 1 || w.kernel_w < 1) return fault::kernel_missing;
    if (w.stride_h < 1 || w.stride_w < 1 || w.pad_h < 0 || w.pad_w < 0) return fault::bad_option_value;
    if (w.pad_h >= w.kernel_h || w.pad_w >= w.kernel_w) return fault::padding_not_below_kernel;
    if (in.depth != 1) return fault::not_two_dimensional;
    const shape out = output(in);
    return out.height < 1 || out.width < 1 ? fault::window_exceeds_input : fault::none;
  }

  static constexpr shape output(shape in) {
    const window w = slide(in);
    if (settings.ceil)
      return {in.channels, window::ceil_extent(in.height, w.kernel_h, w.stride_h, w.pad_h),
              window::ceil_extent(in.width, w.kernel_w, w.stride_w, w.pad_w)};
    return {in.channels, window::floor_extent(in.height, w.kernel_h, w.stride_h, w.pad_h, 1),
            window::floor_extent(in.width, w.kernel_w, w.stride_w, w.pad_w, 1)};
  }

  static constexpr std::int64_t flops(shape in) {
    return output(in).elements() * slide(in).kernel_h * slide(in).kernel_w;
  }
};

// The maximum of each window; padding never wins. The gradient goes to the first maximum in row-major order, as in
// Caffe.
template <class... Options>
struct max_pool : pool_layer<Options...> {
  static constexpr const char* name = "max_pool";
  static constexpr bool backward_needs_output = true;
};

// The mean of each window. As in Caffe the divisor counts the padding inside the window, but not what ceil_mode lets
// hang over the padded input.
template <class... Options>
struct avg_pool : pool_layer<Options...> {
  static constexpr const char* name = "avg_pool";
  static constexpr bool backward_needs_input = false;
};

}  // namespace firecaffe
