#pragma once

#include <cmath>
#include <cstdlib>

#include "firecaffe/layers/batch_norm.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/lrn.hpp"
#include "firecaffe/layers/pointwise.hpp"
#include "firecaffe/layers/pool.hpp"
#include "reference_conv.hpp"

namespace firecaffe {

// The oracle's layers besides convolutions.

// What the layers without parameters share.
template <reference_kind Kind>
struct reference_layer {
  using device = basic_reference<Kind>;
  using view = tensor_view<double>;
  using const_view = tensor_view<const double>;
  reference_layer(device&, int) {}
  static constexpr no_parameters<weight_layout> storage() { return {}; }
};

// f(tap, pixel of the input) for the taps of window q that are inside it.
template <class F>
void each_tap(const window& s, shape in, shape out, int q, F f) {
  for (int k = 0; k < s.taps(); ++k) {
    const int d = q / (out.width * out.height) * s.stride_d + k / (s.kernel_w * s.kernel_h) * s.dilation_d - s.pad_d;
    const int h = q / out.width % out.height * s.stride_h + k / s.kernel_w % s.kernel_h * s.dilation_h - s.pad_h;
    const int w = q % out.width * s.stride_w + k % s.kernel_w * s.dilation_w - s.pad_w;
    if (d >= 0 && d < in.depth && h >= 0 && h < in.height && w >= 0 && w < in.width)
      f(k, (d * in.height + h) * in.width + w);
  }
}

// f(pixel) for the pixels of window q inside the input, row by row; the result is the window's size in the padded
// input.
template <class F>
int each_in_window(const window& s, shape in, shape out, int q, F f) {
  int size = 0;
  each_tap({s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, 0, 0, 1, 1, s.kernel_d, s.stride_d},
           {1, in.height + 2 * s.pad_h, in.width + 2 * s.pad_w, in.depth + 2 * s.pad_d}, out, q,
           [&](int, int) { ++size; });
  each_tap(s, in, out, q, [&](int, int p) { f(p); });
  return size;
}

template <reference_kind Kind, class... Options, place In, place Out>
struct implementation<basic_reference<Kind>, max_pool<Options...>, In, Out> : reference_layer<Kind> {
  using base = reference_layer<Kind>;
  using base::base, typename base::device, typename base::view, typename base::const_view;

  static int winner(const_view x, int n, int c, int q) {
    int best = -1;
    each_in_window(max_pool<Options...>::slide(In.extents), In.extents, Out.extents, q,
                   [&](int p) { best = best < 0 || x(n, c, p) > x(n, c, best) ? p : best; });
    return best;
  }
  void forward(device&, const_view x, view y, no_parameters<const double*>, const pass&) {
    device::each(y, [&](int n, int c, int q) { y(n, c, q) = x(n, c, winner(x, n, c, q)); });
  }
  void backward(device&, const_view x, const_view, view dy, view dx, no_parameters<const double*>,
                no_parameters<double*>, accumulation adds, const pass&) {
    if (!dx) return;
    if (!adds.input) device::each(dx, [&](int n, int c, int p) { dx(n, c, p) = 0; });
    device::each(dy, [&](int n, int c, int q) { dx(n, c, winner(x, n, c, q)) += dy(n, c, q); });
  }
};

template <reference_kind Kind, class... Options, place In, place Out>
struct implementation<basic_reference<Kind>, avg_pool<Options...>, In, Out> : reference_layer<Kind> {
  using base = reference_layer<Kind>;
  using base::base, typename base::device, typename base::view, typename base::const_view;

  template <class F>
  static int each_of(int q, F f) {
    return each_in_window(avg_pool<Options...>::slide(In.extents), In.extents, Out.extents, q, f);
  }
  void forward(device&, const_view x, view y, no_parameters<const double*>, const pass&) {
    device::each(y, [&](int n, int c, int q) {
      double total = 0;
      const int size = each_of(q, [&](int p) { total += x(n, c, p); });
      y(n, c, q) = total / size;
    });
  }
  void backward(device&, const_view, const_view, view dy, view dx, no_parameters<const double*>, no_parameters<double*>,
                accumulation adds, const pass&) {
    if (!dx) return;
    if (!adds.input) device::each(dx, [&](int n, int c, int p) { dx(n, c, p) = 0; });
    device::each(dy, [&](int n, int c, int q) {
      const int size = each_of(q, [](int) {});
      each_of(q, [&](int p) { dx(n, c, p) += dy(n, c, q) / size; });
    });
  }
};

template <reference_kind Kind, class... Options, place In, place Out>
struct implementation<basic_reference<Kind>, lrn<Options...>, In, Out> : reference_layer<Kind> {
  using base = reference_layer<Kind>;
  using base::base, typename base::device, typename base::view, typename base::const_view;
  static constexpr lrn_settings o = lrn<Options...>::settings;

  // f(i) for the channels around c
  template <class F>
  static void each_near(int c, F f) {
    for (int i = 0; i < In.extents.channels; ++i)
      if (2 * std::abs(i - c) < o.local_size) f(i);
  }
  static double scale(const_view x, int n, int c, int p) {
    double squares = 0;
    each_near(c, [&](int i) { squares += x(n, i, p) * x(n, i, p); });
    return o.offset + o.alpha / o.local_size * squares;
  }
  void forward(device&, const_view x, view y, no_parameters<const double*>, const pass&) {
    device::each(y, [&](int n, int c, int p) { y(n, c, p) = x(n, c, p) / std::pow(scale(x, n, c, p), o.beta); });
  }
  void backward(device&, const_view x, const_view, view dy, view dx, no_parameters<const double*>,
                no_parameters<double*>, accumulation adds, const pass&) {
    if (!dx) return;
    device::each(x, [&](int n, int c, int p) {
      double slope = dy(n, c, p) / std::pow(scale(x, n, c, p), o.beta);
      each_near(c, [&](int i) {
        slope -= dy(n, i, p) * x(n, i, p) * o.beta / std::pow(scale(x, n, i, p), o.beta + 1) * 2 * o.alpha /
                 o.local_size * x(n, c, p);
      });
      dx(n, c, p) = slope + (adds.input ? dx(n, c, p) : 0.0);
    });
  }
};

template <reference_kind Kind, place In, place Out>
struct implementation<basic_reference<Kind>, softmax_loss, In, Out> : reference_layer<Kind> {
  using base = reference_layer<Kind>;
  using base::base, typename base::device, typename base::view, typename base::const_view;

  static double log_of_sum(const_view x, int n) {
    double top = x(n, 0, 0), sum = 0;
    for (int c = 1; c < x.extents.channels; ++c) top = std::fmax(top, x(n, c, 0));
    for (int c = 0; c < x.extents.channels; ++c) sum += std::exp(x(n, c, 0) - top);
    return top + std::log(sum);
  }
  void forward(device&, const_view x, target_view<double> target, double* sum, const pass&) {
    *sum = 0;
    for (int n = 0; n < x.samples; ++n) *sum += log_of_sum(x, n) - x(n, target.labels[n], 0);
  }
  void backward(device&, const_view x, target_view<double> target, view dx, double scale, accumulation adds,
                const pass&) {
    if (!dx) return;
    device::each(x, [&](int n, int c, int) {
      const double slope = std::exp(x(n, c, 0) - log_of_sum(x, n)) - (c == target.labels[n]);
      dx(n, c, 0) = scale * slope + (adds.input ? dx(n, c, 0) : 0.0);
    });
  }
};

template <reference_kind Kind, int K, place In, place Out>
struct implementation<basic_reference<Kind>, accuracy<K>, In, Out> : reference_layer<Kind> {
  using base = reference_layer<Kind>;
  using base::base, typename base::device, typename base::const_view;

  void forward(device&, const_view x, target_view<double> target, double* sum, const pass&) {
    *sum = 0;
    for (int n = 0; n < x.samples; ++n) {
      int others = 0;
      for (int c = 0; c < x.extents.channels; ++c)
        others += c != target.labels[n] && x(n, c, 0) >= x(n, target.labels[n], 0);
      *sum += others < K;
    }
  }
};

template <reference_kind Kind, class... Options, place In, place Out>
struct implementation<basic_reference<Kind>, batch_norm<Options...>, In, Out> {
  using layer_type = batch_norm<Options...>;
  using device = basic_reference<Kind>;
  using view = tensor_view<double>;
  using const_view = tensor_view<const double>;
  template <class U>
  using parameters = typename layer_type::template parameters<U>;
  static constexpr batch_norm_settings s = layer_type::settings;
  static constexpr parameters<weight_layout> storage() { return canonical_storage<layer_type>(In.extents); }
  implementation(device&, int) {}

  // f(c, mean, variance, unbiased variance, each, count): each(g) calls g(n, p) for the elements that are normalised
  // together.
  template <class F>
  static void each_group(const_view x, parameters<const double*> p, const pass& now, F f) {
    const int size = now.training && s.grain > 0 ? s.grain : x.samples;
    for (int first = 0; first < x.samples; first += size)
      for (int c = 0; c < x.extents.channels; ++c) {
        const int last = first + size < x.samples ? first + size : x.samples;
        auto each = [&](auto g) {
          for (int n = first; n < last; ++n)
            for (int q = 0; q < x.extents.pixels(); ++q) g(n, q);
        };
        const double count = double(last - first) * x.extents.pixels();
        double mean = 0, variance = 0;
        each([&](int n, int q) { mean += x(n, c, q) / count; });
        each([&](int n, int q) { variance += (x(n, c, q) - mean) * (x(n, c, q) - mean); });
        if (now.training)
          f(c, mean, variance / count, variance / (count > 1 ? count - 1 : 1), each, count);
        else
          f(c, p.running_mean[c], p.running_variance[c], p.running_variance[c], each, count);
      }
  }

  void forward(device&, const_view x, view y, parameters<const double*> p, const pass& now) {
    each_group(x, p, now, [&](int c, double mean, double variance, double, auto each, double) {
      each([&](int n, int q) {
        const double z = (x(n, c, q) - mean) / std::sqrt(variance + s.epsilon);
        y(n, c, q) = z;
        if constexpr (s.affine) y(n, c, q) = z * p.weight[c] + p.bias[c];
      });
    });
  }

  void backward(device&, const_view x, const_view, view dy, view dx, parameters<const double*> p, parameters<double*> g,
                accumulation adds, const pass& now) {
    if (!adds.parameters)
      for_each_field<parameters<double*>>([&](auto i) {
        for (int c = 0; c < In.extents.channels; ++c) field<i>(g)[c] = 0;
      });
    each_group(x, p, now, [&](int c, double mean, double variance, double unbiased, auto each, double count) {
      const double deviation = std::sqrt(variance + s.epsilon);
      double slopes = 0, products = 0, factor = 1;
      each([&](int n, int q) {
        slopes += dy(n, c, q);
        products += dy(n, c, q) * (x(n, c, q) - mean) / deviation;
      });
      if constexpr (s.affine) factor = p.weight[c], g.weight[c] += products, g.bias[c] += slopes;
      const double share = count / In.extents.pixels() * now.scale;
      g.running_mean[c] += share * mean;
      g.running_variance[c] += share * unbiased;
      if (!now.training) slopes = products = 0;
      if (dx)
        each([&](int n, int q) {
          const double z = (x(n, c, q) - mean) / deviation;
          dx(n, c, q) = (adds.input ? dx(n, c, q) : 0.0) +
                        factor / deviation * (dy(n, c, q) - slopes / count - z * products / count);
        });
    });
  }
};

}  // namespace firecaffe
