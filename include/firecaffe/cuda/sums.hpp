#pragma once

#include <cub/block/block_reduce.cuh>
#include <type_traits>

#include "../layers/pointwise.hpp"
#include "kernels.hpp"

namespace firecaffe {

// Sums whose order depends on the sizes alone: a run repeats to the bit. No atomics.

constexpr int sum_threads = 256;

// *out = the sum of `count` numbers, by one block.
template <class T>
__global__ void sum_all(const T* in, std::uint32_t count, T* out) {
  using reduce = cub::BlockReduce<T, sum_threads>;
  __shared__ typename reduce::TempStorage storage;
  T total{};
  for (std::uint32_t i = threadIdx.x; i < count; i += sum_threads) total += in[i];
  total = reduce(storage).Sum(total);
  if (threadIdx.x == 0) *out = total;
}

constexpr int tile_columns = 32, tile_rows = 8;

// Adds up the tile's rows; the sum of column threadIdx.x is in the threads of row 0.
template <class T>
__device__ T sum_of_tile(T mine) {
  __shared__ T tile[tile_rows][tile_columns + 1];
  tile[threadIdx.y][threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.y == 0)
    for (int r = 1; r < tile_rows; ++r) mine += tile[r][threadIdx.x];
  return mine;
}

// N sums of each column over this block's share of the rows from `first` to `last`: f(row, sums) adds to them. The i-th
// of column c goes to to[i * columns + c], padding is zero.
template <int N, class F>
__device__ void sum_columns(std::int64_t first, std::int64_t last, int channels, int columns, float* to, F f) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x);
  float sums[N] = {};
  if (c < channels)
    for (std::int64_t r = first + std::int64_t{blockIdx.y} * tile_rows + threadIdx.y; r < last;
         r += std::int64_t{gridDim.y} * tile_rows)
      f(r, sums);
  for (int i = 0; i < N; ++i) {
    if (i > 0) __syncthreads();
    const float total = sum_of_tile(sums[i]);
    if (threadIdx.y == 0 && c < columns) to[i * columns + c] = total;
  }
}

// masked = dy * slope(y) where `masked` has data (padding: zero), and partial[blockIdx.y] = its sums over this block's
// rows, where `partial` is not null. `columns` counts the padding.
template <class Activation>
__global__ void mask_and_sum(const_rows y, const_rows dy, rows masked, std::int64_t count, int channels, int columns,
                             float* partial) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x);
  float total = 0;
  if (c < columns)
    for (std::int64_t r = std::int64_t{blockIdx.y} * tile_rows + threadIdx.y; r < count;
         r += std::int64_t{gridDim.y} * tile_rows) {
      float d = c < channels ? dy.data[r * dy.pitch + c] : 0.0f;
      if constexpr (!std::is_same_v<Activation, identity>)
        if (c < channels) d *= Activation::slope(y.data[r * y.pitch + c]);
      if (masked.data) masked.data[r * masked.pitch + c] = d;
      total += d;
    }
  if (!partial) return;
  total = sum_of_tile(total);
  if (threadIdx.y == 0 && c < columns) partial[std::int64_t{blockIdx.y} * columns + c] = total;
}

// sums (+)= the partial sums of each channel.
template <class T>
__global__ void sum_partial(const T* partial, int parts, int channels, int columns, T* sums, bool add) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x);
  T total{};
  if (c < channels)
    for (int r = int(threadIdx.y); r < parts; r += tile_rows) total += partial[std::int64_t{r} * columns + c];
  total = sum_of_tile(total);
  if (threadIdx.y == 0 && c < channels) sums[c] = add ? sums[c] + total : total;
}

}  // namespace firecaffe
