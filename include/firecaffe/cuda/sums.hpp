#pragma once

#include <cub/block/block_reduce.cuh>
#include <type_traits>

#include "../layers/pointwise.hpp"
#include "check.hpp"
#include "kernels.hpp"

namespace firecaffe {

// Sums whose order depends on the sizes alone: a run repeats to the bit. Atomics count blocks, and add nothing up.

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

// Whether this is the last of `blocks` blocks to come here, by a counter that is 0 before and after. What each of them
// wrote before is there for the last to read, by __ldcg: its own cache may be older. (The pattern of CUDA's programming
// guide under "memory fence functions".)
__device__ inline bool last_to_arrive(unsigned* counter, unsigned blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) last = atomicInc(counter, blocks - 1) == blocks - 1;
  __syncthreads();
  __threadfence();
  return last;
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

// Adds up what a column of the block's threads has; the sums are in the threads of row 0. There must be a barrier
// between two calls.
template <class T, int N, int M>
__device__ void add_up_rows(T (&sums)[N][M]) {
  __shared__ T tile[sum_threads][N * M];
  T* const mine = tile[threadIdx.y * blockDim.x + threadIdx.x];
  for (int k = 0; k < N * M; ++k) mine[k] = sums[k / M][k % M];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half)
      for (int k = 0; k < N * M; ++k) mine[k] += tile[(threadIdx.y + half) * blockDim.x + threadIdx.x][k];
  }
  for (int k = 0; k < N * M; ++k) sums[k / M][k % M] = mine[k];
}

// N sums of each column over this block's share of the rows from `first` to `last`. source.load(row, column) gets what
// is needed of a pack, source.add(row, column, loaded, sums) adds it to sums[0 to N - 1][each column of the pack]. They
// are in the threads of row 0, unless the rows were only to be visited. Some rows are loaded before any is added, to
// keep memory busy.
template <int N, class V, class Source>
__device__ void sum_columns(std::int64_t first, std::int64_t last, int columns, const Source& source,
                            float (&sums)[N][lanes<V>], bool only_visit = false) {
  constexpr int n = lanes<V>, ahead = 4;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n;
  const std::int64_t stride = std::int64_t{gridDim.y} * blockDim.y;
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
  if (!only_visit) add_up_rows(sums);
}

// The sums of all blocks of this one's columns, from each one's as sum_columns leaves them: in the threads of row 0 of
// the block that comes last, and true there. `partial` has N rows of columns for each block of them, `counter` is 0
// before and after. Parts are of single precision, what they add up to is not.
template <int N, int M>
__device__ bool join_blocks(const float (&sums)[N][M], int columns, float* partial, unsigned* counter,
                            double (&totals)[N][M]) {
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * M;
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < M; ++j) totals[i][j] = double(sums[i][j]);
  if (gridDim.y == 1) return true;
  if (threadIdx.y == 0 && column < columns)
    for (int i = 0; i < N; ++i) store_pack(partial + (std::int64_t{blockIdx.y} * N + i) * columns + column, sums[i]);
  if (!last_to_arrive(counter, gridDim.y)) return false;
  for (int i = 0; i < N; ++i) {
    double total[1][M] = {};
    if (column < columns)
      for (unsigned part = threadIdx.y; part < gridDim.y; part += blockDim.y)
        for (int j = 0; j < M; ++j)
          total[0][j] += double(__ldcg(partial + (std::int64_t{part} * N + i) * columns + column + j));
    add_up_rows(total);
    __syncthreads();
    for (int j = 0; j < M; ++j) totals[i][j] = total[0][j];
  }
  return true;
}

// As sum_columns; the i-th sum of column c goes to to[i * columns + c].
template <int N, class V, class Source>
__device__ void store_sums(std::int64_t first, std::int64_t last, int columns, const Source& source, float* to) {
  constexpr int n = lanes<V>;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n;
  float sums[N][n] = {};
  sum_columns<N, V>(first, last, columns, source, sums);
  if (threadIdx.y == 0 && column < columns)
    for (int i = 0; i < N; ++i)
      for (int j = 0; j < n; ++j) to[i * columns + column + j] = sums[i][j];
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

// The sums that a kernel leaves in one array of a channel each, and what it needs of memory for them: most_sum_parts
// rows of the columns, padding counted, and counters.
constexpr int most_sum_parts = 256, sum_counters = 4096;
struct channel_sums {
  float* to;  // null: none
  bool add;
  int columns;
  float* partial;
  unsigned* counters;
};

template <class Activation, class V>
__global__ void mask_and_sum(masked_sums<Activation, V> source, std::int64_t count, channel_sums sums) {
  constexpr int n = lanes<V>;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n;
  float part[1][n] = {};
  sum_columns<1, V>(0, count, sums.columns, source, part, !sums.to);
  double total[1][n];
  if (!sums.to || !join_blocks(part, sums.columns, sums.partial, sums.counters + blockIdx.x, total)) return;
  for (int j = 0; threadIdx.y == 0 && j < n; ++j)
    if (const int c = column + j; c < source.channels)
      sums.to[c] = float(total[0][j] + (sums.add ? double(sums.to[c]) : 0.0));
}

// On `count` rows.
template <class Activation, class V>
void launch_mask_and_sum(const masked_sums<Activation, V>& source, std::int64_t count, const channel_sums& sums,
                         cudaStream_t stream, int device) {
  column_blocks shares(count, sums.columns / lanes<V>, most_sum_parts);
  if (shares.grid.y == 0 || shares.grid.x > unsigned(sum_counters)) shares.grid.y = 1;
  mask_and_sum<<<shares.grid, shares.block, 0, stream>>>(source, count, sums);
  check_status(cudaGetLastError(), "mask_and_sum", device);
}

}  // namespace firecaffe
