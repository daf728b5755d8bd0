#pragma once

#include "layer.hpp"

namespace firecaffe {

// A layer's options are types, in any order: conv<20, kernel<5>, stride<2>, no_bias>. Each writes its part of the
// layer's settings; one that the layer has no such part for is refused where the network is checked.

// The sliding window of a convolution or a pooling layer.
struct window {
  int kernel_h = 0, kernel_w = 0, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;

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
  friend constexpr bool operator==(const window&, const window&) = default;
};

template <int Height, int Width = Height>
struct kernel {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.slide.kernel_h;
  }
  { s.slide.kernel_h = Height, s.slide.kernel_w = Width; }
};

template <int Height, int Width = Height>
struct stride {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.slide.stride_h;
  }
  { s.slide.stride_h = Height, s.slide.stride_w = Width; }
};

template <int Height, int Width = Height>
struct pad {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.slide.pad_h;
  }
  { s.slide.pad_h = Height, s.slide.pad_w = Width; }
};

template <int Height, int Width = Height>
struct dilation {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.dilates;
  }
  { s.slide.dilation_h = Height, s.slide.dilation_w = Width; }
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

// Pooling windows at the right and lower edge may hang over the input, as in Caffe (PyTorch's ceil_mode).
struct ceil_mode {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.ceil;
  }
  { s.ceil = true; }
};

// The window is the whole plane.
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
