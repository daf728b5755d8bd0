#pragma once

#include <cstdint>
#include <utility>

namespace firecaffe {

// What the device does to values, as functors of one index. A value on the device is a matrix: a row for each pixel of
// each sample, a column for each channel, `pitch` elements from row to row. Rows start at multiples of 16 bytes and are
// padded to whole quads of channels, so that a thread moves 16 bytes. Sizes are run-time values: nothing here is made
// per layer.

constexpr int quad = 4;
constexpr int padded_channels(int channels) { return (channels + quad - 1) / quad * quad; }

struct const_rows {
  const float* data = nullptr;
  std::int64_t pitch = 0;
};
struct rows {
  float* data = nullptr;
  std::int64_t pitch = 0;
};

// Where the quad with index i lies. `flat`: all the matrices are packed, and nobody asks for the column.
struct quad_indices {
  std::uint32_t quads_per_row = 1;
  bool flat = false;

  struct position {
    std::int64_t row;
    int column;
  };
  __device__ position at(std::uint32_t i) const {
    if (flat) return {0, 0};
    return {i / quads_per_row, int(i % quads_per_row) * quad};
  }
  __device__ std::int64_t offset(position p, std::uint32_t i, std::int64_t pitch) const {
    return flat ? std::int64_t{i} * quad : p.row * pitch + p.column;
  }
};

__device__ inline void load_quad(float (&to)[quad], const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
__device__ inline void store_quad(float* to, const float (&v)[quad]) {
  *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
}

// out = f(in...) element by element; padding is what f makes of zeros, or zero where `clears`.
template <class F, int Inputs>
struct transform_quads {
  rows out;
  const_rows in[Inputs + 1];
  quad_indices indices;
  int channels;
  bool clears;
  F f;

  __device__ void operator()(std::uint32_t i) const { run(i, std::make_index_sequence<Inputs>{}); }

 private:
  template <std::size_t... I>
  __device__ void run(std::uint32_t i, std::index_sequence<I...>) const {
    const auto at = indices.at(i);
    float v[Inputs + 1][quad], result[quad];
    (load_quad(v[I], in[I].data + indices.offset(at, i, in[I].pitch)), ...);
    for (int j = 0; j < quad; ++j) result[j] = clears && at.column + j >= channels ? 0.0f : f(v[I][j]...);
    store_quad(out.data + indices.offset(at, i, out.pitch), result);
  }
};

// out = f(sample, element, in...), elements counted in canonical (C, H, W) order; padding is zero.
template <class F, int Inputs>
struct transform_quads_indexed {
  rows out;
  const_rows in[Inputs + 1];
  quad_indices indices;
  int channels, pixels;
  F f;

  __device__ void operator()(std::uint32_t i) const { run(i, std::make_index_sequence<Inputs>{}); }

 private:
  template <std::size_t... I>
  __device__ void run(std::uint32_t i, std::index_sequence<I...>) const {
    const auto at = indices.at(i);
    const int sample = int(at.row / pixels), pixel = int(at.row % pixels);
    float v[Inputs + 1][quad], result[quad];
    (load_quad(v[I], in[I].data + indices.offset(at, i, in[I].pitch)), ...);
    for (int j = 0; j < quad; ++j)
      result[j] = at.column + j < channels ? f(sample, (at.column + j) * pixels + pixel, v[I][j]...) : 0.0f;
    store_quad(out.data + indices.offset(at, i, out.pitch), result);
  }
};

// y = activation(from + bias); a null bias is none; padding is zero.
template <class Activation>
struct bias_quads {
  rows y;
  const_rows from;
  quad_indices indices;
  int channels;
  const float* bias;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    float v[quad];
    load_quad(v, from.data + indices.offset(at, i, from.pitch));
    for (int j = 0; j < quad; ++j) {
      const int c = at.column + j;
      v[j] = c < channels ? Activation::value(v[j] + (bias ? bias[c] : 0.0f)) : 0.0f;
    }
    store_quad(y.data + indices.offset(at, i, y.pitch), v);
  }
};

// Part `t` of the sum of f(a, b): every `parts`-th quad. Padding counts as f(0, 0), which is 0.
template <class F>
struct reduce_quads {
  const_rows a, b;
  quad_indices indices;
  std::uint32_t quads, parts;
  double* partial;
  F f;

  __device__ void operator()(std::uint32_t t) const {
    double total = 0;
    for (std::uint64_t wide = t; wide < quads; wide += parts) {
      const auto i = std::uint32_t(wide);
      const auto at = indices.at(i);
      float x[quad], y[quad];
      load_quad(x, a.data + indices.offset(at, i, a.pitch));
      load_quad(y, b.data + indices.offset(at, i, b.pitch));
      for (int j = 0; j < quad; ++j) total += double(f(x[j], y[j]));
    }
    partial[t] = total;
  }
};

// to (+)= from on `channels` columns, zeros on the columns from there to `columns`. Pitches and starts may be any.
struct copy_columns {
  rows to;
  const_rows from;
  std::uint32_t columns;
  int channels;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const std::int64_t row = i / columns;
    const int c = int(i % columns);
    const float v = c < channels ? from.data[row * from.pitch + c] : 0.0f;
    float& out = to.data[row * to.pitch + c];
    out = add ? out + v : v;
  }
};

// Canonical (N, C, H, W) to a value, padding zero.
template <class U>
struct from_canonical {
  rows to;
  const U* from;
  std::uint32_t columns;
  int channels, pixels;

  __device__ void operator()(std::uint32_t i) const {
    const std::int64_t row = i / columns, sample = row / pixels, pixel = row % pixels;
    const int c = int(i % columns);
    to.data[row * to.pitch + c] =
        c < channels ? static_cast<float>(from[(sample * channels + c) * pixels + pixel]) : 0.0f;
  }
};

template <class U>
struct to_canonical {
  U* to;
  const_rows from;
  int channels, pixels;

  __device__ void operator()(std::uint32_t i) const {
    const std::uint32_t pixel = i % std::uint32_t(pixels), plane = i / std::uint32_t(pixels);
    const std::int64_t row = std::int64_t{plane / std::uint32_t(channels)} * pixels + pixel;
    to[i] = static_cast<U>(from.data[row * from.pitch + plane % std::uint32_t(channels)]);
  }
};

}  // namespace firecaffe
