#pragma once

#include "../layers/channelwise.hpp"
#include "device.hpp"

namespace firecaffe {

// Channelwise layers are bound by memory: a thread has 16 bytes of one pixel. Sums over a channel are of single
// precision within a block and double from there on, in an order that depends on the sizes alone.

template <class Layer, class V>
struct channelwise_packs {
  static constexpr int n = lanes<V>;
  channelwise_value<Layer, float> layer;
  pack_indices<n> indices;
  int channels;
  rows<const V> x, dy;
  rows<V> to;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    float v[n], d[n] = {}, out[n] = {};
    V* result = to.data + at.row * to.pitch + at.column;
    load_pack(v, x.data + at.row * x.pitch + at.column);
    if (dy.data) load_pack(d, dy.data + at.row * dy.pitch + at.column);
    if (add) load_pack(out, result);
    for (int j = 0; j < n; ++j)
      if (at.column + j < channels) out[j] += element(at.column + j, v[j], d[j]);
    store_pack(result, out);
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

// The gradients of each parameter. Padding counts, with whatever sums it has.
template <class Layer, class V>
struct channelwise_sums_of {
  static constexpr int n = channelwise_parameters<Layer>, width = lanes<V>, ahead = 4;
  rows<const V> x, dy;
  float p[width][n];

  struct loaded {
    pack<width, V> x, dy;
  };
  __device__ loaded load(std::int64_t row, int column) const {
    return {read_pack<width>(x.data + row * x.pitch + column), read_pack<width>(dy.data + row * dy.pitch + column)};
  }
  __device__ void add(std::int64_t, int, const loaded& l, float (&sums)[n][width]) const {
    for (int j = 0; j < width; ++j) {
      float dx, dp[n];
      Layer::slopes(static_cast<float>(l.x.of[j]), static_cast<float>(l.dy.of[j]), p[j], dx, dp);
      for (int i = 0; i < n; ++i) sums[i][j] += dp[i];
    }
  }
};

// The sums go to the gradients, or, where all channels share a parameter, to totals: n by channels.
template <class Layer, class V>
__global__ void sum_channelwise(channelwise_value<Layer, float> layer, rows<const V> x, rows<const V> dy,
                                std::int64_t count, int channels, int columns, parameter_arrays<Layer, float> to,
                                bool add, double* totals, sum_room room) {
  constexpr int n = channelwise_parameters<Layer>, width = lanes<V>;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * width;
  channelwise_sums_of<Layer, V> source{x, dy, {}};
  for (int j = 0; j < width; ++j)
    if (column + j < channels) layer.read(column + j, source.p[j]);
  float part[n][width] = {};
  sum_columns<n, V>(0, count, columns, source, part);
  double total[n][width];
  if (!join_blocks(part, columns, room, total) || threadIdx.y > 0) return;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < width; ++j) {
      const int c = column + j;
      if (c >= channels) continue;
      if (Layer::shared)
        totals[i * channels + c] = total[i][j];
      else
        to.from[i][c] = float(total[i][j] + (add ? double(to.from[i][c]) : 0.0));
    }
}

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

template <cuda_policy P, channelwise Layer, place In, place Out>
struct implementation<basic_cuda<P>, Layer, In, Out> {
  using V = cuda_value<P>;
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr int n = channelwise_parameters<Layer>, channels = In.extents.channels,
                       columns = padded_channels<V>(channels);
  static_assert(n <= sum_room::most_sums,
                "channelwise: on a GPU a layer has at most three parameters for each channel");
  static constexpr parameters<weight_layout> storage() { return canonical_storage<Layer>(In.extents); }

  implementation(cuda_device& device, int) { device.scratch(bytes); }

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const float*> p, const pass&) {
    device.launch(device.packs(y), channelwise_packs<Layer, V>{value(p),
                                                               device.template indices<V>(y.extents, false),
                                                               channels,
                                                               device.readable(x),
                                                               {},
                                                               device.writable(y),
                                                               false});
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                parameters<const float*> p, parameters<float*> gradients, accumulation adds, const pass&) {
    const device_scope scope(device.ordinal());
    const std::int64_t count = device.row_count(dy);
    const column_blocks shares(count, columns / lanes<V>);
    auto* totals = static_cast<double*>(device.scratch(bytes));
    rows<const V> from = device.readable(x ? x : tensor_view<const V>(dy));  // a layer that needs no input gets none
    const parameter_arrays<Layer, float> to(gradients);
    sum_channelwise<Layer, V><<<shares.grid, shares.block, 0, device.stream()>>>(
        value(p), from, device.readable(dy), count, channels, columns, to, adds.parameters, totals, device.sums());
    check_status(cudaGetLastError(), "sum_channelwise", device.ordinal());
    if (Layer::shared) device.launch(n, channelwise_shared_total<Layer>{totals, channels, to, adds.parameters});
    if (dx)
      device.launch(device.packs(dx),
                    channelwise_packs<Layer, V>{value(p), device.template indices<V>(dx.extents, false), channels, from,
                                                device.readable(dy), device.writable(dx), adds.input});
  }

 private:
  static constexpr std::size_t bytes = Layer::shared ? std::size_t{n} * channels * sizeof(double) : 0;

  static channelwise_value<Layer, float> value(parameters<const float*> p) {
    return {parameter_arrays<Layer, const float>(p), In.extents.pixels()};
  }
};

}  // namespace firecaffe
