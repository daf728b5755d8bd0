#pragma once

#include "layer.hpp"
#include "shape.hpp"

namespace firecaffe {

// A layer's options are types, in any order: conv<20, kernel<5>, stride<2>, no_bias>. Each writes its part of the
// layer's settings; one that the layer has no such part for is refused where the network is checked.

// The sliding window of a convolution or a pooling layer. As configured, what an option with one argument says of depth
// is open until the data are known: `over` settles it.
struct window {
  int kernel_h = 0, kernel_w = 0, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int kernel_d = 1, stride_d = 1, pad_d = 0, dilation_d = 1;

  static constexpr int as_height = -0x7fffffff - 1;  // in a member for depth: an option with one argument set it

  constexpr window over(shape in) const {
    const bool volume = in.depth > 1;
    auto settled = [&](int depth, int height, int flat) { return depth != as_height ? depth : volume ? height : flat; };
    window w = *this;
    w.kernel_d = settled(kernel_d, kernel_h, 1), w.stride_d = settled(stride_d, stride_h, 1);
    w.pad_d = settled(pad_d, pad_h, 0), w.dilation_d = settled(dilation_d, dilation_h, 1);
    return w;
  }

  constexpr int taps() const { return kernel_d * kernel_h * kernel_w; }
  constexpr bool has_kernel() const { return kernel_d > 0 && kernel_h > 0 && kernel_w > 0; }
  constexpr bool in_range() const {
    return stride_d > 0 && stride_h > 0 && stride_w > 0 && pad_d >= 0 && pad_h >= 0 && pad_w >= 0 && dilation_d > 0 &&
           dilation_h > 0 && dilation_w > 0;
  }

  // Output extent without and with Caffe's rounding up: a window that starts beyond the padded input is dropped.
  static constexpr int floor_extent(int in, int kernel, int stride, int pad, int dilation) {
    const int span = dilation * (kernel - 1) + 1;
    return in + 2 * pad < span ? 0 : (in + 2 * pad - span) / stride + 1;
  }
  static constexpr int ceil_extent(int in, int kernel, int stride, int pad) {
    if (in + 2 * pad < kernel) return 0;
    const int out = (in + 2 * pad - kernel + stride - 1) / stride + 1;
    return pad > 0 && (out - 1) * stride >= in + pad ? out - 1 : out;
  }
  // The inverse of floor_extent: the input of which `out` windows leave nothing over.
  static constexpr int transposed_extent(int out, int kernel, int stride, int pad, int dilation) {
    return stride * (out - 1) + dilation * (kernel - 1) + 1 - 2 * pad;
  }
  friend constexpr bool operator==(const window&, const window&) = default;
};

// The extents that an option gives: (H, W), or (D, H, W), or one for all. One argument is a square on data of depth 1
// and a cube on deeper data; two say nothing of depth (kernel 1, stride 1, pad 0, dilation 1); three are meant as they
// stand. Each option of a layer is read alone. Data in one dimension are (C, 1, L), with kernel<1, K>, stride<1, S>...
template <int... Extents>
struct window_extents {
  static_assert(sizeof...(Extents) >= 1 && sizeof...(Extents) <= 3,
                "kernel, stride, pad and dilation take one argument, (H, W) or (D, H, W)");
  static constexpr int count = int(sizeof...(Extents));
  static constexpr int at(int i) {
    const int list[] = {Extents..., 0};
    return list[i];
  }
  static constexpr int width = at(count - 1), height = at(count == 1 ? 0 : count - 2);
  static constexpr int depth(int flat) { return count == 1 ? window::as_height : count == 2 ? flat : at(0); }
};

template <int... Extents>
struct kernel {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.slide.kernel_h;
  }
  {
    using e = window_extents<Extents...>;
    s.slide.kernel_d = e::depth(1), s.slide.kernel_h = e::height, s.slide.kernel_w = e::width;
  }
};

template <int... Extents>
struct stride {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.slide.stride_h;
  }
  {
    using e = window_extents<Extents...>;
    s.slide.stride_d = e::depth(1), s.slide.stride_h = e::height, s.slide.stride_w = e::width;
  }
};

template <int... Extents>
struct pad {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.slide.pad_h;
  }
  {
    using e = window_extents<Extents...>;
    s.slide.pad_d = e::depth(0), s.slide.pad_h = e::height, s.slide.pad_w = e::width;
  }
};

template <int... Extents>
struct dilation {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.dilates;
  }
  {
    using e = window_extents<Extents...>;
    s.slide.dilation_d = e::depth(1), s.slide.dilation_h = e::height, s.slide.dilation_w = e::width;
  }
};

template <int Groups>
struct groups {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.groups;
  }
  { s.groups = Groups; }
};

struct no_bias {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.bias;
  }
  { s.bias = false; }
};

// Pooling windows at the far edges may hang over the input, as in Caffe (PyTorch's ceil_mode).
struct ceil_mode {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.ceil;
  }
  { s.ceil = true; }
};

// The window is the whole plane or volume.
struct global {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.global;
  }
  { s.global = true; }
};

// Options of a layer's weights and of its bias: how they start, and what the solver's learning rate and weight decay
// are multiplied by for them (1; with 0 the parameter stays as it is, or does not decay).
template <class Filler>
struct weight_filler {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.weight;
  }
  { s.weight.fill = Filler::value; }
};

template <class Filler>
struct bias_filler {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.bias_settings;
  }
  { s.bias_settings.fill = Filler::value; }
};

template <class Ratio>
struct weight_lr_mult {
  static_assert(Ratio::num >= 0, "weight_lr_mult must not be negative");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.weight;
  }
  { s.weight.lr_mult = float(value_of<Ratio>); }
};

template <class Ratio>
struct weight_decay_mult {
  static_assert(Ratio::num >= 0, "weight_decay_mult must not be negative");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.weight;
  }
  { s.weight.decay_mult = float(value_of<Ratio>); }
};

template <class Ratio>
struct bias_lr_mult {
  static_assert(Ratio::num >= 0, "bias_lr_mult must not be negative");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.bias_settings;
  }
  { s.bias_settings.lr_mult = float(value_of<Ratio>); }
};

template <class Ratio>
struct bias_decay_mult {
  static_assert(Ratio::num >= 0, "bias_decay_mult must not be negative");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.bias_settings;
  }
  { s.bias_settings.decay_mult = float(value_of<Ratio>); }
};

template <class Option, class Settings>
concept option_of = requires(Settings& s) {
  Option::apply(s);
};

// The default settings with every option applied.
template <class Settings, class... Options>
consteval Settings configure() {
  static_assert((option_of<Options, Settings> && ...), "an option does not apply to this layer");
  Settings s;
  (Options::apply(s), ...);
  return s;
}

}  // namespace firecaffe
