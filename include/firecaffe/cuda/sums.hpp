#pragma once

#include <cub/block/block_reduce.cuh>
#include <type_traits>

#include "../layers/pointwise.hpp"
#include "check.hpp"
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

// How sums over the rows of a matrix are shared: a thread has a pack of columns, a block as many packs side by side as
// there are, up to a warp of them, and rows below; blocks have every so many rows.
struct column_blocks {
  dim3 grid, block;
  // `most`: shares of the rows. Each thread gets at least 8.
  column_blocks(std::int64_t count, int packs, int most) {
    unsigned across = 1;
    while (across < 32 && int(across) < packs) across *= 2;
    block = dim3(across, sum_threads / across);
    const std::int64_t wanted = (count + 8 * block.y - 1) / (8 * block.y);
    grid = dim3((unsigned(packs) + across - 1) / across, unsigned(wanted < most ? wanted : most));
  }
};

// N sums of each column over this block's share of the rows from `first` to `last`. source.load(row, column) gets what
// is needed of a pack, source.add(row, column, loaded, sums) adds it to sums[0 to N - 1][each column of the pack]. The
// i-th sum of column c goes to to[i * columns + c]. Some rows are loaded before any is added, to keep memory busy.
template <int N, class V, class Source>
__device__ void sum_columns(std::int64_t first, std::int64_t last, int columns, float* to, const Source& source) {
  constexpr int n = lanes<V>, ahead = 4;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n;
  const std::int64_t stride = std::int64_t{gridDim.y} * blockDim.y;
  float sums[N][n] = {};
  if (column < columns)
    for (std::int64_t r = first + std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; r < last; r += ahead * stride) {
      typename Source::loaded held[ahead];
#pragma unroll
      for (int k = 0; k < ahead; ++k)
        if (r + k * stride < last) held[k] = source.load(r + k * stride, column);
#pragma unroll
      for (int k = 0; k < ahead; ++k)
        if (r + k * stride < last) source.add(r + k * stride, column, held[k], sums);
    }
  if (!to) return;
  __shared__ float tile[sum_threads][N * n];
  float* const mine = tile[threadIdx.y * blockDim.x + threadIdx.x];
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < n; ++j) mine[i * n + j] = sums[i][j];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half)
      for (int k = 0; k < N * n; ++k) mine[k] += tile[(threadIdx.y + half) * blockDim.x + threadIdx.x][k];
  }
  if (threadIdx.y == 0 && column < columns)
    for (int i = 0; i < N; ++i)
      for (int j = 0; j < n; ++j) to[i * columns + column + j] = mine[i * n + j];
}

// masked = dy * slope(y) where `masked` has data (padding: zero), and its sums.
template <class Activation, class V>
struct masked_sums {
  static constexpr int n = lanes<V>;
  rows<const V> y, dy;
  rows<V> masked;
  int channels;

  struct loaded {
    pack<n, V> y, dy;
  };
  __device__ loaded load(std::int64_t row, int column) const {
    loaded l;
    l.dy = read_pack<n>(dy.data + row * dy.pitch + column);
    if constexpr (!std::is_same_v<Activation, identity>) l.y = read_pack<n>(y.data + row * y.pitch + column);
    return l;
  }
  __device__ void add(std::int64_t row, int column, const loaded& l, float (&sums)[1][n]) const {
    float d[n];
    for (int j = 0; j < n; ++j) {
      d[j] = column + j < channels ? static_cast<float>(l.dy.of[j]) : 0.0f;
      if constexpr (!std::is_same_v<Activation, identity>)
        if (column + j < channels) d[j] *= Activation::slope(static_cast<float>(l.y.of[j]));
      sums[0][j] += d[j];
    }
    if (masked.data) store_pack(masked.data + row * masked.pitch + column, d);
  }
};

// partial[blockIdx.y] = the sums over this block's rows, where `partial` is not null. `columns` counts the padding.
template <class Activation, class V>
__global__ void mask_and_sum(masked_sums<Activation, V> source, std::int64_t count, int columns, float* partial) {
  sum_columns<1, V>(0, count, columns, partial ? partial + std::int64_t{blockIdx.y} * columns : nullptr, source);
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

// The two, on `count` rows; without the sums where `bias` is null. `partial`: room for most_sum_parts rows of
// `columns`.
constexpr int most_sum_parts = 256;
template <class Activation, class V>
void launch_mask_and_sum(const masked_sums<Activation, V>& source, std::int64_t count, int columns, float* partial,
                         float* bias, bool add, cudaStream_t stream, int device) {
  const column_blocks shares(count, columns / lanes<V>, most_sum_parts);
  if (count > 0) {
    mask_and_sum<Activation, V><<<shares.grid, shares.block, 0, stream>>>(source, count, columns, partial);
    check_status(cudaGetLastError(), "mask_and_sum", device);
  }
  if (!bias) return;
  sum_partial<<<unsigned((columns + tile_columns - 1) / tile_columns), dim3(tile_columns, tile_rows), 0, stream>>>(
      partial, int(shares.grid.y), source.channels, columns, bias, add);
  check_status(cudaGetLastError(), "sum_partial", device);
}

}  // namespace firecaffe
