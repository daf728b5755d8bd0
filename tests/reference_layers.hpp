#pragma once

#include "firecaffe/layers/batch_norm.hpp"
#include "reference_device.hpp"

namespace firecaffe {

// More of the oracle: layers that normalise and scale.

template <bool Slices, class... Options, place In, place Out>
struct implementation<basic_reference<Slices>, batch_norm<Options...>, In, Out> {
  using layer_type = batch_norm<Options...>;
  using device = basic_reference<Slices>;
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
