#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/conv_transpose.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/lrn.hpp"
#include "firecaffe/layers/pointwise.hpp"
#include "firecaffe/layers/pool.hpp"

namespace firecaffe {

// The oracle: the whole device contract in double precision, as formulas and plain loops over (N, C, H, W). It fuses
// nothing; without `Slices` every concat is a copy. `allocated` counts the bytes that it hands out.
template <bool Slices>
class basic_reference {
 public:
  using scalar = double;
  using view = tensor_view<double>;
  using const_view = tensor_view<const double>;
  template <class T>
  using memory = std::vector<T>;
  static constexpr const char* name = "reference";
  static constexpr std::size_t alignment = 1;
  static constexpr bool slices_are_whole = true;
  static constexpr layout value_layout(shape s) { return blocked_layout(s, 1); }
  static constexpr bool can_slice(shape, int, shape) { return Slices; }
  template <class Layer, class Next>
  static constexpr bool fuses = false;
  static constexpr bool host_memory_is_device_memory = true;
  static basic_reference for_rank(int, int, int) { return {}; }
  std::size_t allocated = 0;

  template <class T>
  memory<T> allocate(std::size_t count) {
    allocated += count * sizeof(T);
    return memory<T>(count);
  }
  template <class T>
  void upload(T* to, const T* from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
  }
  template <class T>
  void download(T* to, const T* from, std::size_t count) {
    upload(to, from, count);
  }
  void synchronize() {}

  // f(n, c, p) for every element.
  template <class F>
  static void each(const_view v, F f) {
    for (int n = 0; n < v.samples; ++n)
      for (int c = 0; c < v.extents.channels; ++c)
        for (int p = 0; p < v.extents.pixels(); ++p) f(n, c, p);
  }
  template <class U>
  void load(view to, const U* canonical) {
    each(to, [&](int n, int c, int p) { to(n, c, p) = double(*canonical++); });
  }
  template <class U>
  void store(U* canonical, const_view from) {
    each(from, [&](int n, int c, int p) { *canonical++ = U(from(n, c, p)); });
  }
  template <class F>
  void for_each(std::size_t count, F f) {
    for (std::size_t i = 0; i < count; ++i) f(i);
  }
  template <class F, class... In>
  void transform(view out, F f, In... in) {
    each(out, [&](int n, int c, int p) { out(n, c, p) = f(in(n, c, p)...); });
  }
  template <class F, class... In>
  void transform_indexed(view out, F f, In... in) {
    each(out, [&](int n, int c, int p) { out(n, c, p) = f(n, c * out.extents.pixels() + p, in(n, c, p)...); });
  }
  void copy(view out, const_view in) {
    each(out, [&](int n, int c, int p) { out(n, c, p) = in(n, c, p); });
  }
  void copy_channels(view out, int to, const_view in, int from, int count, bool add) {
    for (int n = 0; n < out.samples; ++n)
      for (int c = 0; c < count; ++c)
        for (int p = 0; p < out.extents.pixels(); ++p)
          out(n, to + c, p) = in(n, from + c, p) + (add ? out(n, to + c, p) : 0.0);
  }
  template <class F>
  void reduce(double* sum, F f, const_view a, const_view b) {
    *sum = 0;
    each(a, [&](int n, int c, int p) { *sum += f(a(n, c, p), b(n, c, p)); });
  }
  void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const double* a, std::ptrdiff_t lda,
            const double* b, std::ptrdiff_t ldb, double beta, double* c, std::ptrdiff_t ldc) {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        double sum = beta == 0 ? 0 : beta * c[i * ldc + j];
        for (int l = 0; l < k; ++l)
          sum += (transpose_a ? a[l * lda + i] : a[i * lda + l]) * (transpose_b ? b[j * ldb + l] : b[l * ldb + j]);
        c[i * ldc + j] = sum;
      }
  }
  template <class Activation>
  void bias_forward(view y, const double* bias) {
    each(y, [&](int n, int c, int) { y(n, c, 0) = Activation::value(y(n, c, 0) + (bias ? bias[c] : 0.0)); });
  }
  template <class Activation>
  void bias_backward(const_view y, view dy, double* bias, bool add) {
    for (int c = 0; bias && !add && c < y.extents.channels; ++c) bias[c] = 0;
    each(y, [&](int n, int c, int) {
      dy(n, c, 0) *= Activation::slope(y(n, c, 0));
      if (bias) bias[c] += dy(n, c, 0);
    });
  }
};

using reference = basic_reference<true>;
using copying_reference = basic_reference<false>;

// What the layers without parameters share.
template <bool Slices>
struct reference_layer {
  using device = basic_reference<Slices>;
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

// What a convolution and a transposed one share: Products::each_product calls f(o, q, c, p, weight) for every
// y[o, q] += w[weight] * x[c, p].
template <bool Slices, class Layer, place In, class Products>
struct reference_products {
  using layer_type = Layer;
  using device = basic_reference<Slices>;
  using view = tensor_view<double>;
  using const_view = tensor_view<const double>;
  template <class U>
  using parameters = typename layer_type::template parameters<U>;
  static constexpr conv_settings s = layer_type::settings;
  static constexpr parameters<weight_layout> storage() { return canonical_storage<layer_type>(In.extents); }
  reference_products(device&, int) {}

  void forward(device&, const_view x, view y, parameters<const double*> p, const pass&) {
    device::each(y, [&](int n, int o, int q) {
      y(n, o, q) = 0;
      if constexpr (s.bias) y(n, o, q) = p.bias[o];
    });
    for (int n = 0; n < x.samples; ++n)
      Products::each_product([&](int o, int q, int c, int at, int w) { y(n, o, q) += p.weight[w] * x(n, c, at); });
  }

  void backward(device&, const_view x, const_view, view dy, view dx, parameters<const double*> p, parameters<double*> g,
                accumulation adds, const pass&) {
    for (std::size_t i = 0; !adds.parameters && i < storage().weight.extent; ++i) g.weight[i] = 0;
    if constexpr (s.bias) {
      for (int o = 0; !adds.parameters && o < Layer::output(In.extents).channels; ++o) g.bias[o] = 0;
      device::each(dy, [&](int n, int o, int q) { g.bias[o] += dy(n, o, q); });
    }
    if (dx && !adds.input) device::each(dx, [&](int n, int c, int at) { dx(n, c, at) = 0; });
    for (int n = 0; n < x.samples; ++n)
      Products::each_product([&](int o, int q, int c, int at, int w) {
        g.weight[w] += dy(n, o, q) * x(n, c, at);
        if (dx) dx(n, c, at) += dy(n, o, q) * p.weight[w];
      });
  }
};

template <bool Slices, int Outputs, class... Options, place In, place Out>
struct implementation<basic_reference<Slices>, conv<Outputs, Options...>, In, Out>
    : reference_products<Slices, conv<Outputs, Options...>, In,
                         implementation<basic_reference<Slices>, conv<Outputs, Options...>, In, Out>> {
  using base = reference_products<Slices, conv<Outputs, Options...>, In, implementation>;
  using base::base, base::s;
  using layer_type = conv<Outputs, Options...>;

  // f(o, q, c, p, weight) for every product: y[o, q] += w[weight] * x[c, p].
  template <class F>
  static void each_product(F f) {
    const shape in = In.extents, out = Out.extents;
    const int inputs = in.channels / s.groups;
    const window w = layer_type::slide(in);
    for (int o = 0; o < out.channels; ++o)
      for (int q = 0; q < out.pixels(); ++q)
        each_tap(w, in, out, q, [&](int k, int p) {
          for (int i = 0; i < inputs; ++i)
            f(o, q, o / (out.channels / s.groups) * inputs + i, p, (o * inputs + i) * w.taps() + k);
        });
  }
};

template <bool Slices, int Outputs, class... Options, place In, place Out>
struct implementation<basic_reference<Slices>, conv_transpose<Outputs, Options...>, In, Out>
    : reference_products<Slices, conv_transpose<Outputs, Options...>, In,
                         implementation<basic_reference<Slices>, conv_transpose<Outputs, Options...>, In, Out>> {
  using base = reference_products<Slices, conv_transpose<Outputs, Options...>, In, implementation>;
  using base::base, base::s;
  using layer_type = conv_transpose<Outputs, Options...>;

  // f(o, q, c, p, weight) for every product: y[o, q] += w[weight] * x[c, p], where q is in the window that p would
  // have.
  template <class F>
  static void each_product(F f) {
    const int outputs = Outputs / s.groups, inputs = In.extents.channels / s.groups;
    const window w = layer_type::slide(In.extents);
    for (int c = 0; c < In.extents.channels; ++c)
      for (int p = 0; p < In.extents.pixels(); ++p)
        each_tap(w, Out.extents, In.extents, p, [&](int k, int q) {
          for (int o = 0; o < outputs; ++o) f(c / inputs * outputs + o, q, c, p, (c * outputs + o) * w.taps() + k);
        });
  }
};

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

template <bool Slices, class... Options, place In, place Out>
struct implementation<basic_reference<Slices>, max_pool<Options...>, In, Out> : reference_layer<Slices> {
  using base = reference_layer<Slices>;
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

template <bool Slices, class... Options, place In, place Out>
struct implementation<basic_reference<Slices>, avg_pool<Options...>, In, Out> : reference_layer<Slices> {
  using base = reference_layer<Slices>;
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

template <bool Slices, class... Options, place In, place Out>
struct implementation<basic_reference<Slices>, lrn<Options...>, In, Out> : reference_layer<Slices> {
  using base = reference_layer<Slices>;
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

template <bool Slices, place In, place Out>
struct implementation<basic_reference<Slices>, softmax_loss, In, Out> : reference_layer<Slices> {
  using base = reference_layer<Slices>;
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

template <bool Slices, int K, place In, place Out>
struct implementation<basic_reference<Slices>, accuracy<K>, In, Out> : reference_layer<Slices> {
  using base = reference_layer<Slices>;
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

}  // namespace firecaffe
