#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <type_traits>

#include "../core/layout.hpp"

namespace firecaffe {

using bfloat16 = __nv_bfloat16;

// A value on the device is a matrix: a row for each pixel of each sample, a column for each channel, `pitch` elements
// from row to row. Its elements are float or bfloat16; all arithmetic is in float. Rows start at multiples of 16 bytes
// and are padded to whole packs of channels, so that a thread moves 16 bytes.
template <class V>
constexpr int lanes = int(16 / sizeof(V));

template <class V>
constexpr int padded_channels(int channels) {
  return int(round_up(std::size_t(channels), lanes<std::remove_const_t<V>>));
}

template <class V>
struct rows {
  V* data = nullptr;
  std::int64_t pitch = 0;
  template <class U>
  requires(!std::is_const_v<V> && std::is_same_v<U, const V>) constexpr operator rows<U>() const {
    return {data, pitch};
  }
};

template <int N, class V>
struct alignas(N * sizeof(V) < 16 ? N * sizeof(V) : 16) pack {
  V of[N];
};

// N neighbouring elements, which may be of another type than the value whose packs have N.
template <int N, class V>
__device__ pack<N, V> read_pack(const V* from) {
  return *reinterpret_cast<const pack<N, V>*>(from);
}
template <int N, class V>
__device__ void load_pack(float (&to)[N], const V* from) {
  const auto p = read_pack<N>(from);
  for (int j = 0; j < N; ++j) to[j] = static_cast<float>(p.of[j]);
}
// What another block has written: this one's cache may be older.
template <int N>
__device__ void load_fresh(float (&to)[N], const float* from) {
  for (int j = 0; j < N; j += 4) {
    const float4 four = __ldcg(reinterpret_cast<const float4*>(from + j));
    to[j] = four.x, to[j + 1] = four.y, to[j + 2] = four.z, to[j + 3] = four.w;
  }
}
template <int N, class V>
__device__ void store_pack(V* to, const float (&v)[N]) {
  pack<N, V> p;
  for (int j = 0; j < N; ++j) p.of[j] = static_cast<V>(v[j]);
  *reinterpret_cast<pack<N, V>*>(to) = p;
}

// Where the pack with index i lies, of a value with `per_row` packs of N. `flat`: all the matrices are packed, and
// nobody asks for the column.
template <int N>
struct pack_indices {
  std::uint32_t per_row = 1;
  bool flat = false;

  struct position {
    std::int64_t row;
    int column;
  };
  __device__ position at(std::uint32_t i) const {
    if (flat) return {0, 0};
    return {i / per_row, int(i % per_row) * N};
  }
  __device__ std::int64_t offset(position p, std::uint32_t i, std::int64_t pitch) const {
    return flat ? std::int64_t{i} * N : p.row * pitch + p.column;
  }
};

}  // namespace firecaffe
