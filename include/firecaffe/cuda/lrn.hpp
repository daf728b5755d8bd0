#pragma once

#include "../layers/lrn.hpp"
#include "device.hpp"

namespace firecaffe {

// Normalisation by our own functors: cuDNN's backward pass wants the result too, which the plan would then have to
// keep, and its windows end at 16 channels. A thread has four channels of one pixel and reads their neighbours, which
// other threads of its warp read as well: memory is read and written once.
struct lrn_formula {
  float share, beta, offset, slope;  // alpha / local_size; 2 alpha beta / local_size
  int columns;                       // of a row, padding included

  __device__ float value(const float* row, int column) const {
    return column >= 0 && column < columns ? row[column] : 0.0f;
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

template <int Side>
struct lrn_forward {
  lrn_formula formula;
  quad_indices indices;
  const_rows x;
  rows y;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const float* in = x.data + at.row * x.pitch;
    float values[quad + 2 * Side], squares[quad + 2 * Side], out[quad];
#pragma unroll
    for (int j = 0; j < quad + 2 * Side; ++j) {
      values[j] = formula.value(in, at.column - Side + j);
      squares[j] = values[j] * values[j];
    }
#pragma unroll
    for (int j = 0; j < quad; ++j)
      out[j] = values[Side + j] *
               formula.power(formula.offset + formula.share * lrn_formula::template window<Side>(squares + j));
    store_quad(y.data + at.row * y.pitch + at.column, out);
  }
};

template <int Side>
struct lrn_backward {
  lrn_formula formula;
  quad_indices indices;
  const_rows x, dy;
  rows dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const float *in = x.data + at.row * x.pitch, *given = dy.data + at.row * dy.pitch;
    float* to = dx.data + at.row * dx.pitch + at.column;
    // A gradient needs the products of its window, and each of these the squares of its own.
    float values[quad + 4 * Side], squares[quad + 4 * Side], products[quad + 2 * Side], out[quad] = {};
    if (add) load_quad(out, to);
#pragma unroll
    for (int j = 0; j < quad + 4 * Side; ++j) {
      values[j] = formula.value(in, at.column - 2 * Side + j);
      squares[j] = values[j] * values[j];
    }
#pragma unroll
    for (int j = 0; j < quad + 2 * Side; ++j) {
      const float s = formula.offset + formula.share * lrn_formula::template window<Side>(squares + j);
      const float scaled = formula.value(given, at.column - Side + j) * formula.power(s);
      if (j >= Side && j < Side + quad) out[j - Side] += scaled;
      products[j] = scaled * values[Side + j] / s;
    }
#pragma unroll
    for (int j = 0; j < quad; ++j)
      out[j] -= formula.slope * values[2 * Side + j] * lrn_formula::template window<Side>(products + j);
    store_quad(to, out);
  }
};

template <cuda_math Math, class... Options, place In, place Out>
struct implementation<basic_cuda<Math>, lrn<Options...>, In, Out> {
  static constexpr lrn_settings settings = lrn<Options...>::settings;
  static constexpr int side = settings.local_size / 2;
  static constexpr lrn_formula formula{
      float(settings.alpha / settings.local_size), float(settings.beta), float(settings.offset),
      float(2 * settings.alpha * settings.beta / settings.local_size), padded_channels(In.extents.channels)};
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(cuda_device&, int) {}

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.quads(y),
                  lrn_forward<side>{formula, device.indices(y.extents, false), device.readable(x), device.writable(y)});
  }

  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    device.launch(device.quads(dx), lrn_backward<side>{formula, device.indices(dx.extents, false), device.readable(x),
                                                       device.readable(dy), device.writable(dx), adds.input});
  }
};

}  // namespace firecaffe
