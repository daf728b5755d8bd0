#pragma once

#include <cmath>

#include "../core/math.hpp"
#include "../layers/losses.hpp"
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
