#pragma once

#include <cmath>

#include "../core/math.hpp"
#include "../layers/losses.hpp"
#include "../layers/softmax.hpp"
#include "device.hpp"

namespace firecaffe {

template <int Block, place In, place Out>
struct implementation<basic_cpu<Block>, softmax_loss, In, Out> {
  static constexpr int classes = In.extents.channels;
  implementation(basic_cpu<Block>&, int) {}

  void forward(basic_cpu<Block>&, tensor_view<const float> x, target_view<float> target, double* sum, const pass&) {
    double total = 0;
    for (int n = 0; n < x.samples; ++n) {
      const float* row = x.data + n * In.strides.sample;
      const float top = largest(row);
      double denominator = 0;
      for (int c = 0; c < classes; ++c) denominator += std::exp(row[c] - top);
      total += std::log(denominator) - (row[target.labels[n]] - top);
    }
    *sum = total;
  }

  void backward(basic_cpu<Block>&, tensor_view<const float> x, target_view<float> target, tensor_view<float> dx,
                double scale, accumulation adds, const pass&) {
    if (!dx) return;
    float p[classes];
    for (int n = 0; n < x.samples; ++n) {
      const float* row = x.data + n * In.strides.sample;
      float* out = dx.data + n * In.strides.sample;
      const float top = largest(row);
      float denominator = 0;
#pragma omp simd reduction(+ : denominator)
      for (int c = 0; c < classes; ++c) denominator += p[c] = exponential(row[c] - top);
      const float share = float(scale) / denominator;
      for (int c = 0; c < classes; ++c)
        out[c] = p[c] * share - (c == target.labels[n] ? float(scale) : 0.0f) + (adds.input ? out[c] : 0.0f);
      basic_cpu<Block>::clear_padding(dx, n);
    }
  }

 private:
  static float largest(const float* row) {
    float top = row[0];
    for (int c = 1; c < classes; ++c) top = row[c] > top ? row[c] : top;
    return top;
  }
};

// A pixel's channels are brought together in a row.
template <int Block, place In, place Out>
struct implementation<basic_cpu<Block>, softmax, In, Out> {
  static constexpr int channels = In.extents.channels, pixels = In.extents.pixels(), lanes = In.strides.block;
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(basic_cpu<Block>&, int) {}

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
    for_each_pixel(device.threads(), x.samples, [&](int n, int p) {
      float row[channels];
      for_each_channel([&](int c) { row[c] = x.data[In.strides.offset(n, c, p)]; });
      float top = row[0], sum = 0;
      for (int c = 1; c < channels; ++c) top = row[c] > top ? row[c] : top;
#pragma omp simd reduction(+ : sum)
      for (int c = 0; c < channels; ++c) sum += row[c] = exponential(row[c] - top);
      const float share = 1.0f / sum;
      for_each_channel([&](int c) { y.data[Out.strides.offset(n, c, p)] = row[c] * share; });
      for (int c = channels; c % lanes != 0; ++c) y.data[Out.strides.offset(n, c, p)] = 0;
    });
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float>, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    for_each_pixel(device.threads(), y.samples, [&](int n, int p) {
      float mean = 0;
      for_each_channel([&](int c) {
        const std::ptrdiff_t at = Out.strides.offset(n, c, p);
        mean += y.data[at] * dy.data[at];
      });
      for_each_channel([&](int c) {
        const std::ptrdiff_t from = Out.strides.offset(n, c, p), to = In.strides.offset(n, c, p);
        dx.data[to] = y.data[from] * (dy.data[from] - mean) + (adds.input ? dx.data[to] : 0.0f);
      });
      for (int c = channels; c % lanes != 0; ++c) dx.data[In.strides.offset(n, c, p)] = 0;
    });
  }

 private:
  template <class F>
  static void for_each_pixel(int threads, int samples, F f) {
    const std::int64_t count = std::int64_t{samples} * pixels;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (std::int64_t i = 0; i < count; ++i) f(int(i / pixels), int(i % pixels));
  }
  template <class F>
  static void for_each_channel(F f) {
    for (int c = 0; c < channels; ++c) f(c);
  }
};

template <int Block, int K, place In, place Out>
struct implementation<basic_cpu<Block>, accuracy<K>, In, Out> {
  implementation(basic_cpu<Block>&, int) {}

  void forward(basic_cpu<Block>&, tensor_view<const float> x, target_view<float> target, double* sum, const pass&) {
    int right = 0;
    for (int n = 0; n < x.samples; ++n) {
      const float* row = x.data + n * In.strides.sample;
      int not_below = -1;  // the label itself is among them
      for (int c = 0; c < In.extents.channels; ++c) not_below += !(row[c] < row[target.labels[n]]);
      right += not_below < K;
    }
    *sum = right;
  }
};

}  // namespace firecaffe
