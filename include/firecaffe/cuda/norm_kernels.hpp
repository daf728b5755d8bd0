#pragma once

#include <cstdint>
#include <type_traits>

#include "../layers/pointwise.hpp"
#include "sums.hpp"

namespace firecaffe {

// The kernels of batch normalisation. The sums are of single precision within a block, and double from there on, in an
// order that depends on the sizes alone.

// What is known of each channel of a group of samples that are normalised together; padding is zero in all.
struct norm_table {
  enum entry { mean, variance, inverse, factor, offset, slopes, products, entries };  // the last two: sums of dy, dy z
  float* data;
  int columns;

  __device__ float* at(std::int64_t group, entry e) const { return data + (group * entries + e) * columns; }
};

// The groups of a value.
struct norm_groups {
  std::int64_t rows = 0, group_rows = 0;  // of the value; of each group but the last
  int groups = 0, channels = 0, pixels = 1;

  norm_groups(std::int64_t all, std::int64_t each, const shape& s)
      : rows(all), group_rows(each), channels(s.channels), pixels(s.pixels()) {
    if (all > 0) groups = int((all + each - 1) / each);
  }

  __device__ std::int64_t first(int group) const { return group * group_rows; }
  __device__ std::int64_t last(int group) const {
    const std::int64_t end = (group + 1) * group_rows;
    return end < rows ? end : rows;
  }
  __device__ int group_of(std::int64_t row) const { return groups == 1 ? 0 : int(row / group_rows); }
};

// Two sums of each column of this block's group: where true, in the last of its blocks, in a thread for each pack.
template <class V, class Source>
__device__ bool sum_group(const norm_groups& g, const Source& source, int columns, const sum_room& room,
                          double (&totals)[2][lanes<V>]) {
  const int group = int(blockIdx.z), column = int(blockIdx.x * blockDim.x + threadIdx.x) * lanes<V>;
  float sums[2][lanes<V>] = {};
  sum_columns<2, V>(g.first(group), g.last(group), columns, source, sums);
  return join_blocks(sums, columns, room, totals) && threadIdx.y == 0 && column < columns;
}

// Deviations from the group's first element of the channel, and their squares: no more cancels than that is off the
// mean.
template <class V>
struct moment_sums {
  static constexpr int n = lanes<V>, ahead = 4;
  rows<const V> x;
  float pivot[n];

  using loaded = pack<n, V>;
  __device__ loaded load(std::int64_t row, int column) const { return read_pack<n>(x.data + row * x.pitch + column); }
  __device__ void add(std::int64_t, int, const loaded& l, float (&sums)[2][n]) const {
    for (int j = 0; j < n; ++j) {
      const float apart = static_cast<float>(l.of[j]) - pivot[j];
      sums[0][j] += apart, sums[1][j] += apart * apart;
    }
  }
};

// Null where the layer has none.
template <class T>
struct norm_parameters {
  T *weight = nullptr, *bias = nullptr, *mean = nullptr, *variance = nullptr;
};

// The entries of a table that normalising takes.
struct norm_entries {
  norm_table table;
  norm_parameters<const float> of;
  float epsilon;
  int channels;

  __device__ void set(int group, int c, float mean, float variance) const {
    const bool real = c < channels;
    const float inverse = real ? 1.0f / sqrtf(variance + epsilon) : 0.0f;
    table.at(group, norm_table::mean)[c] = mean;
    table.at(group, norm_table::variance)[c] = variance;
    table.at(group, norm_table::inverse)[c] = inverse;
    table.at(group, norm_table::factor)[c] = real && of.weight ? of.weight[c] * inverse : inverse;
    table.at(group, norm_table::offset)[c] = real && of.bias ? of.bias[c] : 0.0f;
  }
  // From the running statistics.
  __device__ void operator()(std::uint32_t column) const {
    const int c = int(column);
    set(0, c, c < channels ? of.mean[c] : 0.0f, c < channels ? of.variance[c] : 0.0f);
  }
};

// From the moments of each group.
template <class V>
__global__ void norm_moments(norm_groups g, rows<const V> x, norm_entries entries, sum_room room) {
  constexpr int n = lanes<V>;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n, group = int(blockIdx.z);
  moment_sums<V> source{x, {}};
  if (column < entries.table.columns) load_pack(source.pivot, x.data + g.first(group) * x.pitch + column);
  double sums[2][n];
  if (!sum_group<V>(g, source, entries.table.columns, room, sums)) return;
  const double count = double(g.last(group) - g.first(group));
  for (int j = 0; j < n; ++j) {
    const double off = sums[0][j] / count, spread = (sums[1][j] - off * sums[0][j]) / count;
    const bool real = column + j < g.channels;
    entries.set(group, column + j, real ? float(double(source.pivot[j]) + off) : 0.0f,
                real && spread > 0 ? float(spread) : 0.0f);
  }
}

// y = activation((x - mean) * factor + offset), or with `other` added before the activation
template <class Activation, class V, bool Summed>
struct norm_forward {
  static constexpr int n = lanes<V>;
  norm_groups groups;
  pack_indices<n> indices;
  norm_table table;
  rows<const V> x, other;
  rows<V> y;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const int group = groups.group_of(at.row);
    float v[n], mean[n], factor[n], offset[n], more[n];
    if constexpr (Summed) load_pack(more, other.data + at.row * other.pitch + at.column);
    load_pack(v, x.data + at.row * x.pitch + at.column);
    load_pack(mean, table.at(group, norm_table::mean) + at.column);
    load_pack(factor, table.at(group, norm_table::factor) + at.column);
    load_pack(offset, table.at(group, norm_table::offset) + at.column);
    for (int j = 0; j < n; ++j) {
      v[j] = (v[j] - mean[j]) * factor[j] + offset[j];
      if constexpr (Summed) v[j] += more[j];
      v[j] = at.column + j < groups.channels ? Activation::value(v[j]) : 0.0f;
    }
    store_pack(y.data + at.row * y.pitch + at.column, v);
  }
};

// The gradient behind the activation becomes that before it.
template <class Activation>
__device__ float norm_slope(float apart, float factor, float offset, float dy) {
  if constexpr (std::is_same_v<Activation, identity>)
    return dy;
  else
    return dy * Activation::slope(Activation::value(apart * factor + offset));
}

// What norm_slopes adds up: dy, and dy times how far x is off the mean.
template <class Activation, class V>
struct slope_sums {
  static constexpr int n = lanes<V>, ahead = 4;
  rows<const V> x, dy;
  float mean[n], factor[n], offset[n];

  __device__ void prepare(const norm_table& table, int group, int column) {
    load_pack(mean, table.at(group, norm_table::mean) + column);
    load_pack(factor, table.at(group, norm_table::factor) + column);
    load_pack(offset, table.at(group, norm_table::offset) + column);
  }
  struct loaded {
    pack<n, V> x, dy;
  };
  __device__ loaded load(std::int64_t row, int column) const {
    return {read_pack<n>(x.data + row * x.pitch + column), read_pack<n>(dy.data + row * dy.pitch + column)};
  }
  __device__ void add(std::int64_t, int, const loaded& l, float (&sums)[2][n]) const {
    for (int j = 0; j < n; ++j) {
      const float apart = static_cast<float>(l.x.of[j]) - mean[j];
      const float slope = norm_slope<Activation>(apart, factor[j], offset[j], static_cast<float>(l.dy.of[j]));
      sums[0][j] += slope, sums[1][j] += slope * apart;
    }
  }
};

// The same behind a sum.
template <class Activation, class V>
struct summed_slope_sums {
  static constexpr int n = lanes<V>, ahead = 2;  // more, and one block fills a multiprocessor's registers
  rows<const V> x;
  slope_mask<Activation, V> before;
  float mean[n];

  __device__ void prepare(const norm_table& table, int group, int column) {
    load_pack(mean, table.at(group, norm_table::mean) + column);
  }
  struct loaded {
    pack<n, V> x;
    typename slope_mask<Activation, V>::loaded rest;
  };
  __device__ loaded load(std::int64_t row, int column) const {
    return {read_pack<n>(x.data + row * x.pitch + column), before.load(row, column)};
  }
  __device__ void add(std::int64_t row, int column, const loaded& l, float (&sums)[2][n]) const {
    float slope[n];
    before.mask(row, column, l.rest, slope);
    for (int j = 0; j < n; ++j)
      sums[0][j] += slope[j], sums[1][j] += slope[j] * (static_cast<float>(l.x.of[j]) - mean[j]);
  }
};

// dx (+)= factor * (dy - mean of dy - z * mean of (dy z)); with `fixed` statistics factor * dy
template <class Activation, class V>
struct norm_backward {
  static constexpr int n = lanes<V>;
  norm_groups groups;
  pack_indices<n> indices;
  norm_table table;
  rows<const V> x, dy;
  rows<V> dx;
  bool add, fixed;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const int group = groups.group_of(at.row);
    const float share = fixed ? 0.0f : 1.0f / float(groups.last(group) - groups.first(group));
    float v[n], d[n], out[n] = {}, mean[n], inverse[n], factor[n], offset[n], slopes[n], products[n];
    load_pack(v, x.data + at.row * x.pitch + at.column);
    load_pack(d, dy.data + at.row * dy.pitch + at.column);
    load_pack(mean, table.at(group, norm_table::mean) + at.column);
    load_pack(inverse, table.at(group, norm_table::inverse) + at.column);
    load_pack(factor, table.at(group, norm_table::factor) + at.column);
    load_pack(offset, table.at(group, norm_table::offset) + at.column);
    load_pack(slopes, table.at(group, norm_table::slopes) + at.column);
    load_pack(products, table.at(group, norm_table::products) + at.column);
    V* to = dx.data + at.row * dx.pitch + at.column;
    if (add) load_pack(out, to);
    for (int j = 0; j < n; ++j)
      if (at.column + j < groups.channels) {  // in padding a slope need not be finite
        const float apart = v[j] - mean[j], slope = norm_slope<Activation>(apart, factor[j], offset[j], d[j]);
        out[j] += factor[j] * (slope - share * (slopes[j] + apart * inverse[j] * products[j]));
      }
    store_pack(to, out);
  }
};

// Gradients of weight and bias, and this step's part of the running statistics: as core/layer.hpp describes it,
// `sample_share` times the samples of each group.
struct norm_gradients {
  norm_groups groups;
  norm_table table;
  norm_parameters<float> to;
  double sample_share;
  bool add, fixed;

  __device__ void operator()(std::uint32_t channel) const {
    const int c = int(channel);
    double weight = 0, bias = 0, mean = 0, variance = 0;
    for (int g = 0; g < groups.groups; ++g) {
      const double count = double(groups.last(g) - groups.first(g)), share = sample_share * count / groups.pixels;
      const double unbiased = fixed ? 1 : count > 1 ? count / (count - 1) : 1;
      weight += double(table.at(g, norm_table::products)[c]);
      bias += double(table.at(g, norm_table::slopes)[c]);
      mean += share * double(table.at(g, norm_table::mean)[c]);
      variance += share * unbiased * double(table.at(g, norm_table::variance)[c]);
    }
    write(to.weight, c, weight), write(to.bias, c, bias), write(to.mean, c, mean), write(to.variance, c, variance);
  }

 private:
  __device__ void write(float* out, int c, double value) const {
    if (out) out[c] = float(add ? double(out[c]) + value : value);
  }
};

// The sums of each group for the table, and where there is one group all that follows from them.
template <class V, class Source>
__global__ void norm_slopes(norm_groups g, norm_table table, Source source, norm_gradients gradients, sum_room room) {
  constexpr int n = lanes<V>;
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x) * n, group = int(blockIdx.z);
  if (column < table.columns) source.prepare(table, group, column);
  double sums[2][n];
  if (!sum_group<V>(g, source, table.columns, room, sums)) return;
#pragma unroll
  for (int j = 0; j < n; ++j) {
    const int c = column + j;
    const bool real = c < g.channels;
    const double inverse = double(table.at(group, norm_table::inverse)[c]);
    table.at(group, norm_table::slopes)[c] = real ? float(sums[0][j]) : 0.0f;
    table.at(group, norm_table::products)[c] = real ? float(sums[1][j] * inverse) : 0.0f;
    if (g.groups == 1 && real) gradients(std::uint32_t(c));
  }
}

}  // namespace firecaffe
