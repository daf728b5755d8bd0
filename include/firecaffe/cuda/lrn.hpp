#pragma once

#include "../layers/lrn.hpp"
#include "device.hpp"

namespace firecaffe {

// Normalisation by our own functors: cuDNN's backward pass wants the result too, which the plan would then have to
// keep, and its windows end at 16 channels. A thread has 16 bytes of one pixel and reads their neighbours, which
// other threads of its warp read as well: memory is read and written once.
struct lrn_formula {
  float share, beta, offset, slope;  // alpha / local_size; 2 alpha beta / local_size
  int columns;                       // of a row, padding included

  template <class V>
  __device__ float value(const V* row, int column) const {
    return column >= 0 && column < columns ? static_cast<float>(row[column]) : 0.0f;
  }
  // s^-beta; the published networks' beta without a logarithm
  __device__ float power(float s) const { return beta == 0.75f ? 1.0f / sqrtf(s * sqrtf(s)) : powf(s, -beta); }
  // The sum over a window that starts at `first`.
  template <int Side>
  static __device__ float window(const float* first) {
    float total = first[0];
#pragma unroll
    for (int i = 1; i <= 2 * Side; ++i) total += first[i];
    return total;
  }
};

template <int Side, class V>
struct lrn_forward {
  static constexpr int n = lanes<V>;
  lrn_formula formula;
  pack_indices<n> indices;
  rows<const V> x;
  rows<V> y;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const V* in = x.data + at.row * x.pitch;
    float values[n + 2 * Side], squares[n + 2 * Side], out[n];
#pragma unroll
    for (int j = 0; j < n + 2 * Side; ++j) {
      values[j] = formula.value(in, at.column - Side + j);
      squares[j] = values[j] * values[j];
    }
#pragma unroll
    for (int j = 0; j < n; ++j)
      out[j] = values[Side + j] *
               formula.power(formula.offset + formula.share * lrn_formula::template window<Side>(squares + j));
    store_pack(y.data + at.row * y.pitch + at.column, out);
  }
};

template <int Side, class V>
struct lrn_backward {
  static constexpr int n = lanes<V>;
  lrn_formula formula;
  pack_indices<n> indices;
  rows<const V> x, dy;
  rows<V> dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const V *in = x.data + at.row * x.pitch, *given = dy.data + at.row * dy.pitch;
    V* to = dx.data + at.row * dx.pitch + at.column;
    // A gradient needs the products of its window, and each of these the squares of its own.
    float values[n + 4 * Side], squares[n + 4 * Side], products[n + 2 * Side], out[n] = {};
    if (add) load_pack(out, to);
#pragma unroll
    for (int j = 0; j < n + 4 * Side; ++j) {
      values[j] = formula.value(in, at.column - 2 * Side + j);
      squares[j] = values[j] * values[j];
    }
#pragma unroll
    for (int j = 0; j < n + 2 * Side; ++j) {
      const float s = formula.offset + formula.share * lrn_formula::template window<Side>(squares + j);
      const float scaled = formula.value(given, at.column - Side + j) * formula.power(s);
      if (j >= Side && j < Side + n) out[j - Side] += scaled;
      products[j] = scaled * values[Side + j] / s;
    }
#pragma unroll
    for (int j = 0; j < n; ++j)
      out[j] -= formula.slope * values[2 * Side + j] * lrn_formula::template window<Side>(products + j);
    store_pack(to, out);
  }
};

template <cuda_policy P, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, lrn<Options...>, In, Out> {
  using V = cuda_value<P>;
  static constexpr lrn_settings settings = lrn<Options...>::settings;
  static constexpr int side = settings.local_size / 2;
  static constexpr lrn_formula formula{
      float(settings.alpha / settings.local_size), float(settings.beta), float(settings.offset),
      float(2 * settings.alpha * settings.beta / settings.local_size), padded_channels<V>(In.extents.channels)};
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(cuda_device&, int) {}

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.packs(y), lrn_forward<side, V>{formula, device.template indices<V>(y.extents, false),
                                                        device.readable(x), device.writable(y)});
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const float*>, no_parameters<float*>, accumulation adds, const pass&) {
    if (!dx) return;
    device.launch(device.packs(dx),
                  lrn_backward<side, V>{formula, device.template indices<V>(dx.extents, false), device.readable(x),
                                        device.readable(dy), device.writable(dx), adds.input});
  }
};

}  // namespace firecaffe
