#pragma once

#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/conv_transpose.hpp"
#include "reference_device.hpp"

namespace firecaffe {

// The oracle's convolutions: one loop over all products, whichever of their sums is wanted.

// f(tap, window, pixel, count): the windows from `window` on, `count` in a row, have that tap at `pixel` and at every
// stride_w-th one behind it. What lies outside the input is left out.
template <class F>
void each_run(const window& s, shape in, shape out, F f) {
  for (int k = 0; k < s.taps(); ++k)
    for (int row = 0; row < out.depth * out.height; ++row) {
      const int d = row / out.height * s.stride_d + k / (s.kernel_w * s.kernel_h) * s.dilation_d - s.pad_d;
      const int h = row % out.height * s.stride_h + k / s.kernel_w % s.kernel_h * s.dilation_h - s.pad_h;
      const int left = k % s.kernel_w * s.dilation_w - s.pad_w;
      int first = 0, last = out.width;
      while (first < last && first * s.stride_w + left < 0) ++first;
      while (first < last && (last - 1) * s.stride_w + left >= in.width) --last;
      if (d >= 0 && d < in.depth && h >= 0 && h < in.height && first < last)
        f(k, row * out.width + first, (d * in.height + h) * in.width + first * s.stride_w + left, last - first);
    }
}

// Products y[o, q + i q_step] += w[weight] * x[c, p + i p_step], i from 0 to count.
struct product_run {
  int o, q, q_step, c, p, p_step, weight, count;
};

// to[i to_step] += factor * from[i from_step]. Whole networks go through here: the compiler is to see unit steps.
inline void add_run(int count, double factor, const double* from, int from_step, double* to, int to_step) {
  if (from_step == 1 && to_step == 1)
    for (int i = 0; i < count; ++i) to[i] += factor * from[i];
  else
    for (int i = 0; i < count; ++i) to[i * to_step] += factor * from[i * from_step];
}

// The sum of a[i a_step] * b[i b_step], in eight interleaved parts.
inline double sum_run(int count, const double* a, int a_step, const double* b, int b_step) {
  double part[8] = {}, sum = 0;
  int i = 0;
  if (a_step == 1 && b_step == 1)
    for (; i + 8 <= count; i += 8)
      for (int l = 0; l < 8; ++l) part[l] += a[i + l] * b[i + l];
  for (; i < count; ++i) sum += a[i * a_step] * b[i * b_step];
  for (const double s : part) sum += s;
  return sum;
}

// What a convolution and a transposed one share: Products::each_product calls f(product_run) for all that it is.
template <reference_kind Kind, class Layer, place In, class Products>
struct reference_products {
  using layer_type = Layer;
  using device = basic_reference<Kind>;
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
      Products::each_product([&](const product_run& r) {
        add_run(r.count, p.weight[r.weight], &x(n, r.c, r.p), r.p_step, &y(n, r.o, r.q), r.q_step);
      });
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
      Products::each_product([&](const product_run& r) {
        const double *from = &x(n, r.c, r.p), *slope = &dy(n, r.o, r.q);
        g.weight[r.weight] += sum_run(r.count, slope, r.q_step, from, r.p_step);
        if (dx) add_run(r.count, p.weight[r.weight], slope, r.q_step, &dx(n, r.c, r.p), r.p_step);
      });
  }
};

template <reference_kind Kind, int Outputs, class... Options, place In, place Out>
struct implementation<basic_reference<Kind>, conv<Outputs, Options...>, In, Out>
    : reference_products<Kind, conv<Outputs, Options...>, In,
                         implementation<basic_reference<Kind>, conv<Outputs, Options...>, In, Out>> {
  using base = reference_products<Kind, conv<Outputs, Options...>, In, implementation>;
  using base::base, base::s;
  using layer_type = conv<Outputs, Options...>;

  template <class F>
  static void each_product(F f) {
    const int outputs = Outputs / s.groups, inputs = In.extents.channels / s.groups;
    const window w = layer_type::slide(In.extents);
    for (int o = 0; o < Outputs; ++o)
      for (int i = 0; i < inputs; ++i)
        each_run(w, In.extents, Out.extents, [&](int k, int q, int p, int count) {
          f({o, q, 1, o / outputs * inputs + i, p, w.stride_w, (o * inputs + i) * w.taps() + k, count});
        });
  }
};

template <reference_kind Kind, int Outputs, class... Options, place In, place Out>
struct implementation<basic_reference<Kind>, conv_transpose<Outputs, Options...>, In, Out>
    : reference_products<Kind, conv_transpose<Outputs, Options...>, In,
                         implementation<basic_reference<Kind>, conv_transpose<Outputs, Options...>, In, Out>> {
  using base = reference_products<Kind, conv_transpose<Outputs, Options...>, In, implementation>;
  using base::base, base::s;
  using layer_type = conv_transpose<Outputs, Options...>;

  // Pixels of the input are windows over the output.
  template <class F>
  static void each_product(F f) {
    const int outputs = Outputs / s.groups, inputs = In.extents.channels / s.groups;
    const window w = layer_type::slide(In.extents);
    for (int c = 0; c < In.extents.channels; ++c)
      for (int o = 0; o < outputs; ++o)
        each_run(w, Out.extents, In.extents, [&](int k, int p, int q, int count) {
          f({c / inputs * outputs + o, q, w.stride_w, c, p, 1, (c * outputs + o) * w.taps() + k, count});
        });
  }
};

}  // namespace firecaffe
