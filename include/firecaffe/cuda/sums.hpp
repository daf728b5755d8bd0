#pragma once

#include <cub/block/block_reduce.cuh>
#include <type_traits>

#include "../layers/pointwise.hpp"
#include "check.hpp"
#include "kernels.hpp"

namespace firecaffe {

// Sums whose order depends on the sizes alone: a run repeats to the bit. Atomics count blocks, and add nothing up.

constexpr int sum_threads = 256;  // of a block
constexpr int sum_blocks = 512;   // of a kernel, at most, where several share a sum: some for each multiprocessor

// What these blocks share: what each of them has, and counters for last_to_arrive. A stream has one, for a kernel at a
// time.
struct sum_room {
  static constexpr int most_packs = 8;  // side by side in a block
  static constexpr int most_sums = 3;   // of each column
  static constexpr std::size_t partial_sums = std::size_t{most_sums} * sum_blocks * most_packs * lanes<bfloat16>;
  float* partial;
  unsigned* counters;
};

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
// make 128 bytes, or fewer, and rows below; blocks have every so many rows. Each thread gets at least 8.
struct column_blocks {
  dim3 grid, block;
  // For as many `groups` of `count` rows each.
  column_blocks(std::int64_t count, int packs, int groups = 1) {
    unsigned across = 1;
    while (across < unsigned(sum_room::most_packs) && int(across) < packs) across *= 2;
    block = dim3(across, sum_threads / across);
    grid = dim3((unsigned(packs) + across - 1) / across, 1, unsigned(groups));
    const std::int64_t wanted = (count + 8 * block.y - 1) / (8 * block.y), most = sum_blocks / (grid.x * grid.z);
    if (const std::int64_t shares = wanted < most ? wanted : most; shares > 1) grid.y = unsigned(shares);
  }
};

// Adds up what a column of the block's threads has; the sums are in the threads of row 0. There must be a barrier
// between two calls.
template <class T, int N, int M>
__device__ void add_up_rows(T (&sums)[N][M]) {
  __shared__ T tile[N * M][sum_threads];  // neighbours lie in different banks
  const unsigned mine = threadIdx.y * blockDim.x + threadIdx.x;
  for (int k = 0; k < N * M; ++k) tile[k][mine] = sums[k / M][k % M];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half)
      for (int k = 0; k < N * M; ++k) tile[k][mine] += tile[k][mine + half * blockDim.x];
  }
  for (int k = 0; k < N * M; ++k) sums[k / M][k % M] = tile[k][mine];
}

// N sums of each column over this block's share of the rows from `first` to `last`. source.load(row, column) gets what
// is needed of a pack, source.add(row, column, loaded, sums) adds it to sums[0 to N - 1][each column of the pack]. They
// are in the threads of row 0, unless the rows were only to be visited. Source::ahead rows are loaded before any is
// added, to keep memory busy.
template <int N, class V, class Source>
__device__ void sum_columns(std::int64_t first, std::int64_t last, int columns, const Source& source,
                            float (&sums)[N][lanes<V>], bool only_visit = false) {
  constexpr int n = lanes<V>, ahead = Source::ahead;
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

// The sums of all blocks of this one's columns and group, from each one's as sum_columns leaves them: in the threads of
// row 0 of the block that comes last, and true there. Parts are of single precision, what they add up to is not.
template <int N, int M>
__device__ bool join_blocks(const float (&sums)[N][M], int columns, const sum_room& room, double (&totals)[N][M]) {
  static_assert(N <= sum_room::most_sums);
  constexpr unsigned ahead = 4;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * M;
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < M; ++j) totals[i][j] = double(sums[i][j]);
  if (gridDim.y == 1) return true;
  const auto part_of = [&](unsigned block, int i) {
    return room.partial + ((std::int64_t{blockIdx.z} * gridDim.y + block) * N + i) * columns + column;
  };
  if (threadIdx.y == 0 && column < columns)
    for (int i = 0; i < N; ++i) store_pack(part_of(blockIdx.y, i), sums[i]);
  if (!last_to_arrive(room.counters + blockIdx.z * gridDim.x + blockIdx.x, gridDim.y)) return false;
  for (int i = 0; i < N; ++i) {
    double total[1][M] = {};
    for (unsigned part = threadIdx.y; part < gridDim.y && column < columns; part += ahead * blockDim.y) {
      float held[ahead][M] = {};
#pragma unroll
      for (unsigned k = 0; k < ahead; ++k)
        if (part + k * blockDim.y < gridDim.y) load_fresh(held[k], part_of(part + k * blockDim.y, i));
#pragma unroll
      for (unsigned k = 0; k < ahead; ++k)
        for (int j = 0; j < M; ++j) total[0][j] += double(held[k][j]);
    }
    add_up_rows(total);
    __syncthreads();
    for (int j = 0; j < M; ++j) totals[i][j] = total[0][j];
  }
  return true;
}

// *sum = source(i) added up over i in [0, count), by at most sum_blocks blocks of sum_threads.
template <class Source>
__global__ void sum_all(Source source, std::int64_t count, double* sum, sum_room room) {
  using reduce = cub::BlockReduce<double, sum_threads>;
  __shared__ typename reduce::TempStorage storage;
  auto* const partial = reinterpret_cast<double*>(room.partial);
  double total = 0;
  for (std::int64_t i = std::int64_t{blockIdx.x} * sum_threads + threadIdx.x; i < count;
       i += std::int64_t{gridDim.x} * sum_threads)
    total += source(std::uint32_t(i));
  total = reduce(storage).Sum(total);
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
  if (!last_to_arrive(room.counters, gridDim.x)) return;
  total = 0;
  for (unsigned i = threadIdx.x; i < gridDim.x; i += sum_threads) total += __ldcg(partial + i);
  total = reduce(storage).Sum(total);
  if (threadIdx.x == 0) *sum = total;
}

template <class Source>
void launch_sum_all(const Source& source, std::int64_t count, double* sum, const sum_room& room, cudaStream_t stream,
                    int device) {
  const std::int64_t wanted = (count + sum_threads - 1) / sum_threads;
  const auto blocks = unsigned(wanted < 1 ? 1 : wanted < sum_blocks ? wanted : sum_blocks);
  sum_all<<<blocks, sum_threads, 0, stream>>>(source, count, sum, room);
  check_status(cudaGetLastError(), "sum_all", device);
}

// masked = dy * slope(y) where `masked` has data (padding: zero).
template <class Activation, class V>
struct slope_mask {
  static constexpr int n = lanes<V>, ahead = 4;
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
  __device__ void mask(std::int64_t row, int column, const loaded& l, float (&d)[n]) const {
    for (int j = 0; j < n; ++j) {
      d[j] = column + j < channels ? static_cast<float>(l.dy.of[j]) : 0.0f;
      if constexpr (!std::is_same_v<Activation, identity>)
        if (column + j < channels) d[j] *= Activation::slope(static_cast<float>(l.y.of[j]));
    }
    if (masked.data) store_pack(masked.data + row * masked.pitch + column, d);
  }
};

// The same, and its sums.
template <class Activation, class V>
struct masked_sums : slope_mask<Activation, V> {
  using typename slope_mask<Activation, V>::loaded;
  __device__ void add(std::int64_t row, int column, const loaded& l, float (&sums)[1][lanes<V>]) const {
    float d[lanes<V>];
    this->mask(row, column, l, d);
    for (int j = 0; j < lanes<V>; ++j) sums[0][j] += d[j];
  }
};

// The sums that a kernel leaves in one array of a channel each.
struct channel_sums {
  float* to;  // null: none
  bool add;
  int columns;  // padding counted
};

template <class Activation, class V>
__global__ void mask_and_sum(masked_sums<Activation, V> source, std::int64_t count, channel_sums sums, sum_room room) {
  constexpr int n = lanes<V>;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n;
  float part[1][n] = {};
  sum_columns<1, V>(0, count, sums.columns, source, part, !sums.to);
  double total[1][n];
  if (!sums.to || !join_blocks(part, sums.columns, room, total)) return;
  for (int j = 0; threadIdx.y == 0 && j < n; ++j)
    if (const int c = column + j; c < source.channels)
      sums.to[c] = float(total[0][j] + (sums.add ? double(sums.to[c]) : 0.0));
}

// On `count` rows.
template <class Activation, class V>
void launch_mask_and_sum(const masked_sums<Activation, V>& source, std::int64_t count, const channel_sums& sums,
                         const sum_room& room, cudaStream_t stream, int device) {
  const column_blocks shares(count, sums.columns / lanes<V>);
  mask_and_sum<<<shares.grid, shares.block, 0, stream>>>(source, count, sums, room);
  check_status(cudaGetLastError(), "mask_and_sum", device);
}

}  // namespace firecaffe
