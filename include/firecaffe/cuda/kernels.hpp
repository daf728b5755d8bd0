#pragma once

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cuda/execution_policy.h>  // thrust/execution_policy.h brings OpenMP's and TBB's as well

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "check.hpp"
#include "values.hpp"

namespace firecaffe {

// What the device does to values, as functors of one index. Sizes are run-time values: nothing here is made per layer.

// f(i) for i in [0, count), by Thrust
template <class Index, class F>
void for_each_index(Index count, F f, cudaStream_t stream, int device) {
  if (count == 0) return;
  const device_scope scope(device);
  try {
    thrust::for_each_n(thrust::cuda::par_nosync.on(stream), thrust::counting_iterator<Index>(0), count, f);
  } catch (const std::runtime_error& e) {  // thrust::system_error
    throw_cuda_error("thrust::for_each_n", e.what(), device);
  }
}

// The same for the kernels of layers, in blocks of a warp for each of a multiprocessor's four schedulers. Thrust's have
// four times the indices: a few thousand, as small networks have, would leave most of the device idle.
constexpr unsigned launch_block = 128;
template <class F>
__global__ void __launch_bounds__(launch_block) for_each_thread(std::uint32_t count, const __grid_constant__ F f) {
  const std::uint64_t i = std::uint64_t{blockIdx.x} * launch_block + threadIdx.x;
  if (i < count) f(std::uint32_t(i));
}
template <class F>
void launch_for_each(std::uint32_t count, const F& f, cudaStream_t stream, int device) {
  if (count == 0) return;
  const device_scope scope(device);
  const std::uint64_t blocks = (std::uint64_t{count} + launch_block - 1) / launch_block;
  for_each_thread<<<unsigned(blocks), launch_block, 0, stream>>>(count, f);
  check_status(cudaGetLastError(), "for_each_thread", device);
}

// f(i) for i in [0, count), and words that travel as an argument of the kernel, which puts them where they belong. A
// stream whose kernels follow each other goes on faster than one that changes between them and the device's copy
// engine.
template <class F, std::size_t Most>
struct with_words {
  F f;
  std::uint32_t count, words;
  std::uint32_t* to;
  std::uint32_t from[Most];

  __device__ void operator()(std::uint32_t i) const {
    if (i < words) to[i] = from[i];
    if (i < count) f(i);
  }
};
constexpr std::size_t most_argument_words = 960;  // an argument list has 4 KiB

template <std::size_t Most, class F>
void launch_with_words_of(std::uint32_t count, const F& f, void* to, const void* from, std::size_t words,
                          cudaStream_t stream, int device) {
  with_words<F, Most> all{f, count, std::uint32_t(words), static_cast<std::uint32_t*>(to), {}};
  if (words > 0) std::memcpy(all.from, from, words * sizeof(std::uint32_t));
  launch_for_each(std::max(all.count, all.words), all, stream, device);
}
// f(i) for i in [0, count), and to = from
template <class F>
void launch_with_words(std::uint32_t count, const F& f, void* to, const void* from, std::size_t words,
                       cudaStream_t stream, int device) {
  if (words <= 64)
    launch_with_words_of<64>(count, f, to, from, words, stream, device);
  else
    launch_with_words_of<most_argument_words>(count, f, to, from, words, stream, device);
}
struct do_nothing {
  __device__ void operator()(std::uint32_t) const {}
};

// out = f(in...) element by element; padding is what f makes of zeros, or zero where `clears`.
template <class F, class V, class... In>
struct transform_packs {
  static constexpr int n = lanes<V>;
  struct source {
    const void* data;
    std::int64_t pitch;
  };
  rows<V> out;
  source in[sizeof...(In) + 1];
  pack_indices<n> indices;
  int channels;
  bool clears;
  F f;

  __device__ void operator()(std::uint32_t i) const { run(i, std::index_sequence_for<In...>{}); }

 private:
  template <std::size_t... I>
  __device__ void run(std::uint32_t i, std::index_sequence<I...>) const {
    const auto at = indices.at(i);
    float v[sizeof...(In) + 1][n], result[n];
    (load_pack(v[I], static_cast<const In*>(in[I].data) + indices.offset(at, i, in[I].pitch)), ...);
    for (int j = 0; j < n; ++j) result[j] = clears && at.column + j >= channels ? 0.0f : f(v[I][j]...);
    store_pack(out.data + indices.offset(at, i, out.pitch), result);
  }
};

// out = f(sample, element, in...), elements counted in canonical (C, D, H, W) order; padding is zero.
template <class F, class V, class... In>
struct transform_packs_indexed {
  static constexpr int n = lanes<V>;
  using source = typename transform_packs<F, V, In...>::source;
  rows<V> out;
  source in[sizeof...(In) + 1];
  pack_indices<n> indices;
  int channels, pixels;
  F f;

  __device__ void operator()(std::uint32_t i) const { run(i, std::index_sequence_for<In...>{}); }

 private:
  template <std::size_t... I>
  __device__ void run(std::uint32_t i, std::index_sequence<I...>) const {
    const auto at = indices.at(i);
    const int sample = int(at.row / pixels), pixel = int(at.row % pixels);
    float v[sizeof...(In) + 1][n], result[n];
    (load_pack(v[I], static_cast<const In*>(in[I].data) + indices.offset(at, i, in[I].pitch)), ...);
    for (int j = 0; j < n; ++j)
      result[j] = at.column + j < channels ? f(sample, (at.column + j) * pixels + pixel, v[I][j]...) : 0.0f;
    store_pack(out.data + indices.offset(at, i, out.pitch), result);
  }
};

// y = activation(y + bias); a null bias is none; padding is zero.
template <class Activation, class V>
struct bias_packs {
  static constexpr int n = lanes<V>;
  rows<V> y;
  pack_indices<n> indices;
  int channels;
  const float* bias;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    V* const here = y.data + indices.offset(at, i, y.pitch);
    float v[n];
    load_pack(v, here);
    for (int j = 0; j < n; ++j) {
      const int c = at.column + j;
      v[j] = c < channels ? Activation::value(v[j] + (bias ? bias[c] : 0.0f)) : 0.0f;
    }
    store_pack(here, v);
  }
};

// What pack `i` has of the sum of f(a, b). Padding counts as f(0, 0), which is 0.
template <class F, class A, class B>
struct reduce_packs {
  static constexpr int n = lanes<A>;
  rows<const A> a;
  rows<const B> b;
  pack_indices<n> indices;
  F f;

  __device__ double operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    float x[n], y[n];
    load_pack(x, a.data + indices.offset(at, i, a.pitch));
    load_pack(y, b.data + indices.offset(at, i, b.pitch));
    double total = 0;
    for (int j = 0; j < n; ++j) total += double(f(x[j], y[j]));
    return total;
  }
};

// to (+)= from on `channels` columns, zeros on the columns from there to `columns`. Pitches and starts may be any.
template <class V>
struct copy_columns {
  rows<V> to;
  rows<const V> from;
  std::uint32_t columns;
  int channels;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const std::int64_t row = i / columns;
    const int c = int(i % columns);
    const float v = c < channels ? static_cast<float>(from.data[row * from.pitch + c]) : 0.0f;
    V& out = to.data[row * to.pitch + c];
    out = static_cast<V>(add ? static_cast<float>(out) + v : v);
  }
};

// to (+)= from on `count` elements that lie in a row, some at a time.
template <class To, class From>
struct convert_elements {
  static constexpr int n = 8;
  To* to;
  const From* from;
  std::int64_t count;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const std::int64_t first = std::int64_t{i} * n;
    if (first + n > count) return rest(first);
    float v[n], before[n];
    load_pack(v, from + first);
    if (add) {
      load_pack(before, to + first);
      for (int j = 0; j < n; ++j) v[j] += before[j];
    }
    store_pack(to + first, v);
  }

 private:
  __device__ void rest(std::int64_t first) const {
    for (std::int64_t k = first; k < count; ++k)
      to[k] = static_cast<To>(static_cast<float>(from[k]) + (add ? static_cast<float>(to[k]) : 0.0f));
  }
};

// Canonical (N, C, D, H, W) to a value, padding zero.
template <class V, class U>
struct from_canonical {
  static constexpr int n = lanes<V>;
  rows<V> to;
  const U* from;
  std::uint32_t packs_per_row;
  int channels, pixels;

  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t row = i / packs_per_row, sample = row / std::uint32_t(pixels);
    const int c = int(i - row * packs_per_row) * n;
    const U* in = from + (std::int64_t{sample} * channels + c) * pixels + (row - sample * std::uint32_t(pixels));
    float v[n];
    for (int j = 0; j < n; ++j) v[j] = c + j < channels ? static_cast<float>(in[std::int64_t{j} * pixels]) : 0.0f;
    store_pack(to.data + std::int64_t{row} * to.pitch + c, v);
  }
};

template <class V, class U>
struct to_canonical {
  U* to;
  rows<const V> from;
  int channels, pixels;

  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t pixel = i % std::uint32_t(pixels), plane = i / std::uint32_t(pixels);
    const std::int64_t row = std::int64_t{plane / std::uint32_t(channels)} * pixels + pixel;
    to[i] = static_cast<U>(static_cast<float>(from.data[row * from.pitch + plane % std::uint32_t(channels)]));
  }
};

}  // namespace firecaffe
