#pragma once

#include "../layers/channelwise.hpp"
#include "device.hpp"

namespace firecaffe {

// Channelwise layers are bound by memory: a thread has four channels of one pixel. Sums over a channel are of single
// precision within a thread and double from there on, in an order that depends on the sizes alone.

template <class Layer>
struct channelwise_quads {
  channelwise_value<Layer, float> layer;
  quad_indices indices;
  int channels;
  const_rows x, dy;
  rows to;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    float v[quad], d[quad] = {}, out[quad] = {};
    float* result = to.data + at.row * to.pitch + at.column;
    load_quad(v, x.data + at.row * x.pitch + at.column);
    if (dy.data) load_quad(d, dy.data + at.row * dy.pitch + at.column);
    if (add) load_quad(out, result);
    for (int j = 0; j < quad; ++j)
      if (at.column + j < channels) out[j] += element(at.column + j, v[j], d[j]);
    store_quad(result, out);
  }

 private:
  // y, or dx where there is a dy.
  __device__ float element(int channel, float value, float slope) const {
    float p[channelwise_parameters<Layer>], dp[channelwise_parameters<Layer>], result;
    layer.read(channel, p);
    if (dy.data)
      Layer::slopes(value, slope, p, result, dp);
    else
      Layer::value(value, p, result);
    return result;
  }
};

// partial[blockIdx.y] = the sums over this block's rows of each parameter's gradient.
template <class Layer>
__global__ void channelwise_partial(channelwise_value<Layer, float> layer, const_rows x, const_rows dy,
                                    std::int64_t count, int channels, int columns, float* partial) {
  constexpr int n = channelwise_parameters<Layer>;
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x);
  float p[n] = {};
  if (c < channels) layer.read(c, p);
  sum_columns<n>(0, count, channels, columns, partial + std::int64_t{blockIdx.y} * n * columns,
                 [&](std::int64_t r, float* sums) {
                   float dx, dp[n];
                   Layer::slopes(x.data[r * x.pitch + c], dy.data[r * dy.pitch + c], p, dx, dp);
                   for (int i = 0; i < n; ++i) sums[i] += dp[i];
                 });
}

// The sum of all parts of each parameter's channel goes to its gradient, or, where all channels share one, to totals.
template <class Layer>
struct channelwise_totals {
  static constexpr int n = channelwise_parameters<Layer>;
  const float* partial;
  int parts, columns, channels;
  parameter_arrays<Layer, float> to;
  bool add;
  double* totals;  // n by channels

  __device__ void operator()(std::uint32_t i) const {
    const int c = int(i) % channels, which = int(i) / channels;
    double total = 0;
    for (int p = 0; p < parts; ++p) total += double(partial[(std::int64_t{p} * n + which) * columns + c]);
    float* out = to.from[which];
    if (Layer::shared)
      totals[i] = total;
    else
      out[c] = float(total + (add ? double(out[c]) : 0.0));
  }
};

template <class Layer>
struct channelwise_shared_total {
  const double* totals;
  int channels;
  parameter_arrays<Layer, float> to;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    double total = add ? double(to.from[i][0]) : 0.0;
    for (int c = 0; c < channels; ++c) total += totals[int(i) * channels + c];
    to.from[i][0] = float(total);
  }
};

template <cuda_math Math, channelwise Layer, place In, place Out>
struct implementation<basic_cuda<Math>, Layer, In, Out> {
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr int n = channelwise_parameters<Layer>, channels = In.extents.channels,
                       columns = padded_channels(channels), most_parts = 256;
  static constexpr parameters<weight_layout> storage() { return canonical_storage<Layer>(In.extents); }

  implementation(cuda_device& device, int) { device.scratch(bytes); }

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass&) {
    device.launch(
        device.quads(y),
        channelwise_quads<Layer>{
            value(p), device.indices(y.extents, false), channels, device.readable(x), {}, device.writable(y), false});
  }

  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> p, parameters<float*> gradients, accumulation adds,
                const pass&) {
    const device_scope scope(device.ordinal());
    const std::int64_t count = device.row_count(dy), wanted = (count + 8 * tile_rows - 1) / (8 * tile_rows);
    const int parts = int(wanted < most_parts ? wanted : most_parts);
    auto* totals = static_cast<double*>(device.scratch(bytes));
    auto* partial = reinterpret_cast<float*>(totals + n * columns);
    const_rows from = device.readable(x ? x : tensor_view<const float>(dy));  // a layer that needs no input gets none
    if (parts > 0) {
      channelwise_partial<Layer>
          <<<dim3((columns + tile_columns - 1) / tile_columns, unsigned(parts)), dim3(tile_columns, tile_rows), 0,
             device.stream()>>>(value(p), from, device.readable(dy), count, channels, columns, partial);
      check_status(cudaGetLastError(), "channelwise_partial", device.ordinal());
    }
    const parameter_arrays<Layer, float> to(gradients);
    device.launch(n * channels,
                  channelwise_totals<Layer>{partial, parts, columns, channels, to, adds.parameters, totals});
    if (Layer::shared) device.launch(n, channelwise_shared_total<Layer>{totals, channels, to, adds.parameters});
    if (dx)
      device.launch(device.quads(dx),
                    channelwise_quads<Layer>{value(p), device.indices(dx.extents, false), channels, from,
                                             device.readable(dy), device.writable(dx), adds.input});
  }

 private:
  static constexpr std::size_t bytes = std::size_t{n} * columns * (sizeof(double) + most_parts * sizeof(float));

  static channelwise_value<Layer, float> value(parameters<const float*> p) {
    return {parameter_arrays<Layer, const float>(p), In.extents.pixels()};
  }
};

}  // namespace firecaffe
