#pragma once

#include <cstdint>
#include <type_traits>

#include "../core/layer.hpp"
#include "../core/options.hpp"

namespace firecaffe {

struct pool_settings {
  window slide;
  bool ceil = false, global = false;
};

// What both kinds of pooling share: (N, C, H, W) -> (N, C, H', W'), (N, C, D, H, W) -> (N, C, D', H', W').
// Options: kernel<H, W>, kernel<D, H, W>, kernel<K> (see core/options.hpp) or global, stride (1), pad (0), ceil_mode.
// Without ceil_mode
//   H' = floor((H + 2 pad - kernel) / stride) + 1;  with it, Caffe's ceil, and no window may start in the lower
//   padding.
template <class... Options>
struct pool_layer : layer_defaults {
  static constexpr pool_settings settings = configure<pool_settings, Options...>();

  static constexpr window slide(shape in) {
    if constexpr (settings.global) return {.kernel_h = in.height, .kernel_w = in.width, .kernel_d = in.depth};
    return settings.slide.over(in);
  }

  static constexpr fault check(shape in) {
    const window w = slide(in);
    if (!w.has_kernel()) return fault::kernel_missing;
    if (!w.in_range()) return fault::bad_option_value;
    if (w.pad_d >= w.kernel_d || w.pad_h >= w.kernel_h || w.pad_w >= w.kernel_w) return fault::padding_not_below_kernel;
    const shape out = output(in);
    if (out.depth < 1 || out.height < 1 || out.width < 1) return fault::window_exceeds_input;
    // With ceil_mode and a stride beyond the kernel the last window may hold no pixel.
    auto empty = [](int windows, int stride, int pad, int size) { return (windows - 1) * stride - pad >= size; };
    return empty(out.depth, w.stride_d, w.pad_d, in.depth) || empty(out.height, w.stride_h, w.pad_h, in.height) ||
                   empty(out.width, w.stride_w, w.pad_w, in.width)
               ? fault::window_without_input
               : fault::none;
  }

  static constexpr shape output(shape in) {
    const window w = slide(in);
    auto extent = [](int size, int kernel, int stride, int pad) {
      return settings.ceil ? window::ceil_extent(size, kernel, stride, pad)
                           : window::floor_extent(size, kernel, stride, pad, 1);
    };
    return {in.channels, extent(in.height, w.kernel_h, w.stride_h, w.pad_h),
            extent(in.width, w.kernel_w, w.stride_w, w.pad_w), extent(in.depth, w.kernel_d, w.stride_d, w.pad_d)};
  }

  static constexpr std::int64_t flops(shape in) { return output(in).elements() * slide(in).taps(); }
};

// The smallest type that counts to `Most`, for devices that note which element of a window was its maximum.
template <int Most>
using index_up_to =
    std::conditional_t<(Most < 256), std::uint8_t, std::conditional_t<(Most < 65536), std::uint16_t, std::uint32_t>>;

// The maximum of each window; padding never wins. The gradient goes to the first maximum in row-major order, as in
// Caffe.
template <class... Options>
struct max_pool : pool_layer<Options...> {
  static constexpr const char* name = "max_pool";
  static constexpr bool takes_maximum = true;
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
