#pragma once

#include "../layers/activations.hpp"
#include "../layers/batch_norm.hpp"
#include "device.hpp"

namespace firecaffe {

// The pass that normalises takes any pointwise layer behind it; going back, its result is computed again from x.
template <class... Options, pointwise Next>
constexpr bool cuda_fuses<batch_norm<Options...>, Next> = true;

// Batch normalisation by our own kernels: cuDNN's take neither slices nor groups of samples apart. Both passes read
// their values twice, once for sums over each channel and once for the result. The sums are of single precision within
// a thread, of some hundred elements, and double from there on, in an order that depends on the sizes alone.

// What is known of each channel of a group of samples that are normalised together; padding is zero in all.
struct norm_table {
  enum entry { mean, variance, inverse, factor, offset, slopes, products, entries };  // the last two: sums of dy, dy z
  float* data;
  int columns;

  __device__ float* at(std::int64_t group, entry e) const { return data + (group * entries + e) * columns; }
};

// The groups of a value, and how a kernel shares one among its blocks.
struct norm_groups {
  std::int64_t rows = 0, group_rows = 0;  // of the value; of each group but the last
  int groups = 0, parts = 0, channels = 0, pixels = 1;

  // Shares enough to fill the device, of at least 64 rows, at most `most_blocks` or one of each group.
  static constexpr int most_blocks = 1024;
  norm_groups(std::int64_t all, std::int64_t each, const shape& s)
      : rows(all), group_rows(each), channels(s.channels), pixels(s.pixels()) {
    if (all == 0) return;
    groups = int((all + each - 1) / each);
    const std::int64_t wanted = (each + 63) / 64, most = most_blocks / groups;
    parts = int(wanted < most ? wanted : most > 1 ? most : 1);
  }
  std::size_t partial_sums() const { return std::size_t(groups) * std::size_t(parts) * 2; }

  __device__ std::int64_t first(int group) const { return group * group_rows; }
  __device__ std::int64_t last(int group) const {
    const std::int64_t end = (group + 1) * group_rows;
    return end < rows ? end : rows;
  }
  __device__ int group_of(std::int64_t row) const { return groups == 1 ? 0 : int(row / group_rows); }
};

// Two sums of each column of a group, from f(row, sums).
template <class F>
__device__ void sum_group(const norm_groups& g, float* partial, int columns, F f) {
  const int group = int(blockIdx.z);
  float* to = partial + (std::int64_t{group} * gridDim.y + blockIdx.y) * 2 * columns;
  sum_columns<2>(g.first(group), g.last(group), g.channels, columns, to, f);
}

// The sums of all shares of a group, in the threads of row 0.
struct norm_sums {
  double a = 0, b = 0;
  __device__ norm_sums(const float* partial, int parts, int group, int columns, int c) {
    const float* from = partial + std::int64_t{group} * parts * 2 * columns + c;
    if (c < columns)
      for (int p = int(threadIdx.y); p < parts; p += tile_rows)
        a += double(from[std::int64_t{p} * 2 * columns]), b += double(from[(std::int64_t{p} * 2 + 1) * columns]);
    a = sum_of_tile(a);
    __syncthreads();
    b = sum_of_tile(b);
  }
};

// Deviations from the group's first element of the channel, and their squares: no more cancels than that is off the
// mean.
template <class T>
__global__ void norm_moments(norm_groups g, const_rows x, int columns, T* partial) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x);
  const float pivot = c < g.channels ? x.data[g.first(int(blockIdx.z)) * x.pitch + c] : 0.0f;
  sum_group(g, partial, columns, [&](std::int64_t r, float* sums) {
    const float apart = x.data[r * x.pitch + c] - pivot;
    sums[0] += apart;
    sums[1] += apart * apart;
  });
}

// Null where the layer has none.
template <class T>
struct norm_parameters {
  T *weight = nullptr, *bias = nullptr, *mean = nullptr, *variance = nullptr;
};

// The entries of a table that normalising takes: from sums of moments, or from the running statistics where `partial`
// is null.
template <class T>
__global__ void norm_statistics(norm_groups g, const_rows x, const float* partial, norm_parameters<const T> p,
                                float epsilon, norm_table table) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x), group = int(blockIdx.y);
  float mean = 0, variance = 0;
  if (partial) {
    const norm_sums sums(partial, g.parts, group, table.columns, c);
    if (threadIdx.y == 0 && c < g.channels) {
      const double count = double(g.last(group) - g.first(group)), off = sums.a / count;
      const double spread = (sums.b - off * sums.a) / count;
      mean = float(double(x.data[g.first(group) * x.pitch + c]) + off), variance = spread > 0 ? float(spread) : 0.0f;
    }
  } else if (c < g.channels) {
    mean = p.mean[c], variance = p.variance[c];
  }
  if (threadIdx.y != 0 || c >= table.columns) return;
  const bool real = c < g.channels;
  const float inverse = real ? 1.0f / sqrtf(variance + epsilon) : 0.0f;
  table.at(group, norm_table::mean)[c] = mean;
  table.at(group, norm_table::variance)[c] = variance;
  table.at(group, norm_table::inverse)[c] = inverse;
  table.at(group, norm_table::factor)[c] = real && p.weight ? p.weight[c] * inverse : inverse;
  table.at(group, norm_table::offset)[c] = real && p.bias ? p.bias[c] : 0.0f;
}

// y = activation((x - mean) * factor + offset)
template <class Activation>
struct norm_forward {
  norm_groups groups;
  quad_indices indices;
  norm_table table;
  const_rows x;
  rows y;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const int group = groups.group_of(at.row);
    float v[quad], mean[quad], factor[quad], offset[quad];
    load_quad(v, x.data + at.row * x.pitch + at.column);
    load_quad(mean, table.at(group, norm_table::mean) + at.column);
    load_quad(factor, table.at(group, norm_table::factor) + at.column);
    load_quad(offset, table.at(group, norm_table::offset) + at.column);
    for (int j = 0; j < quad; ++j)
      v[j] = at.column + j < groups.channels ? Activation::value((v[j] - mean[j]) * factor[j] + offset[j]) : 0.0f;
    store_quad(y.data + at.row * y.pitch + at.column, v);
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

template <class Activation>
__global__ void norm_slopes(norm_groups g, norm_table table, const_rows x, const_rows dy, float* partial) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x), group = int(blockIdx.z);
  float mean = 0, factor = 0, offset = 0;
  if (c < g.channels) {
    mean = table.at(group, norm_table::mean)[c];
    factor = table.at(group, norm_table::factor)[c], offset = table.at(group, norm_table::offset)[c];
  }
  sum_group(g, partial, table.columns, [&](std::int64_t r, float* sums) {
    const float apart = x.data[r * x.pitch + c] - mean;
    const float slope = norm_slope<Activation>(apart, factor, offset, dy.data[r * dy.pitch + c]);
    sums[0] += slope;
    sums[1] += slope * apart;
  });
}

template <class T>
__global__ void norm_slope_sums(norm_groups g, const T* partial, norm_table table) {
  const int c = int(blockIdx.x) * tile_columns + int(threadIdx.x), group = int(blockIdx.y);
  const norm_sums sums(partial, g.parts, group, table.columns, c);
  if (threadIdx.y != 0 || c >= table.columns) return;
  table.at(group, norm_table::slopes)[c] = float(sums.a);
  table.at(group, norm_table::products)[c] = float(sums.b * double(table.at(group, norm_table::inverse)[c]));
}

// dx (+)= factor * (dy - mean of dy - z * mean of (dy z)); with `fixed` statistics factor * dy
template <class Activation>
struct norm_backward {
  norm_groups groups;
  quad_indices indices;
  norm_table table;
  const_rows x, dy;
  rows dx;
  bool add, fixed;

  __device__ void operator()(std::uint32_t i) const {
    const auto at = indices.at(i);
    const int group = groups.group_of(at.row);
    const float share = fixed ? 0.0f : 1.0f / float(groups.last(group) - groups.first(group));
    float v[quad], d[quad], out[quad] = {}, mean[quad], inverse[quad], factor[quad], offset[quad], slopes[quad],
                            products[quad];
    load_quad(v, x.data + at.row * x.pitch + at.column);
    load_quad(d, dy.data + at.row * dy.pitch + at.column);
    load_quad(mean, table.at(group, norm_table::mean) + at.column);
    load_quad(inverse, table.at(group, norm_table::inverse) + at.column);
    load_quad(factor, table.at(group, norm_table::factor) + at.column);
    load_quad(offset, table.at(group, norm_table::offset) + at.column);
    load_quad(slopes, table.at(group, norm_table::slopes) + at.column);
    load_quad(products, table.at(group, norm_table::products) + at.column);
    float* to = dx.data + at.row * dx.pitch + at.column;
    if (add) load_quad(out, to);
    for (int j = 0; j < quad; ++j) {
      const float apart = v[j] - mean[j], slope = norm_slope<Activation>(apart, factor[j], offset[j], d[j]);
      out[j] += factor[j] * (slope - share * (slopes[j] + apart * inverse[j] * products[j]));
    }
    store_quad(to, out);
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

template <class Layer, class Activation, place In>
class cuda_batch_norm {
 public:
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr batch_norm_settings settings = Layer::settings;
  static constexpr parameters<weight_layout> storage() { return canonical_storage<Layer>(In.extents); }

  cuda_batch_norm(cuda_device& device, int batch)
      : table_(device.template allocate<float>(std::size_t(Layer::groups(batch)) * norm_table::entries * columns)) {
    const int groups = Layer::groups(batch);
    device.scratch(std::size_t(groups > norm_groups::most_blocks ? groups : norm_groups::most_blocks) * 2 * columns *
                   sizeof(float));
  }

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, parameters<const float*> p,
               const pass& now) {
    if (x.samples == 0) return;
    const norm_groups g = groups(x.samples, now.training);
    const device_scope scope(device.ordinal());
    float* partial = now.training ? partial_sums(device, g) : nullptr;
    if (partial) {
      norm_moments<<<shares(g), tile, 0, device.stream()>>>(g, device.readable(x), columns, partial);
      check_status(cudaGetLastError(), "norm_moments", device.ordinal());
    }
    norm_statistics<<<each_group(g), tile, 0, device.stream()>>>(g, device.readable(x), partial, arrays(p),
                                                                 float(settings.epsilon), table());
    check_status(cudaGetLastError(), "norm_statistics", device.ordinal());
    device.launch(device.quads(y), norm_forward<Activation>{g, device.indices(y.extents, false), table(),
                                                            device.readable(x), device.writable(y)});
  }

  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*>, parameters<float*> gradients, accumulation adds,
                const pass& now) {
    const norm_groups g = groups(x.samples, now.training);
    const device_scope scope(device.ordinal());
    if (x.samples > 0) {
      float* partial = partial_sums(device, g);
      norm_slopes<Activation>
          <<<shares(g), tile, 0, device.stream()>>>(g, table(), device.readable(x), device.readable(dy), partial);
      check_status(cudaGetLastError(), "norm_slopes", device.ordinal());
      norm_slope_sums<<<each_group(g), tile, 0, device.stream()>>>(g, partial, table());
      check_status(cudaGetLastError(), "norm_slope_sums", device.ordinal());
    }
    device.launch(g.channels, norm_gradients{g, table(), arrays(gradients), now.scale, adds.parameters, !now.training});
    if (dx)
      device.launch(device.quads(dx),
                    norm_backward<Activation>{g, device.indices(dx.extents, false), table(), device.readable(x),
                                              device.readable(dy), device.writable(dx), adds.input, !now.training});
  }

 private:
  static constexpr int columns = padded_channels(In.extents.channels);
  static constexpr unsigned tiles = (columns + tile_columns - 1) / tile_columns;
  static constexpr dim3 tile{tile_columns, tile_rows};

  static norm_groups groups(int samples, bool training) {
    const int group = training ? Layer::group(0, samples) : samples;
    return {std::int64_t{samples} * In.extents.pixels(), std::int64_t{group} * In.extents.pixels(), In.extents};
  }
  static dim3 shares(const norm_groups& g) { return {tiles, unsigned(g.parts), unsigned(g.groups)}; }
  static dim3 each_group(const norm_groups& g) { return {tiles, unsigned(g.groups)}; }
  static float* partial_sums(cuda_device& device, const norm_groups& g) {
    return static_cast<float*>(device.scratch(g.partial_sums() * columns * sizeof(float)));
  }
  norm_table table() const { return {table_.data(), columns}; }

  template <class U>
  static norm_parameters<U> arrays(const affine_and_statistics<U*>& p) {
    return {p.weight, p.bias, p.running_mean, p.running_variance};
  }
  template <class U>
  static norm_parameters<U> arrays(const running_statistics<U*>& p) {
    return {nullptr, nullptr, p.running_mean, p.running_variance};
  }

  device_memory<float> table_;
};

template <cuda_math Math, class... Options, place In, place Out>
struct implementation<basic_cuda<Math>, batch_norm<Options...>, In, Out>
    : cuda_batch_norm<batch_norm<Options...>, identity, In> {
  using cuda_batch_norm<batch_norm<Options...>, identity, In>::cuda_batch_norm;
};

template <cuda_math Math, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<Math>, fused<batch_norm<Options...>, Activation>, In, Out>
    : cuda_batch_norm<batch_norm<Options...>, Activation, In> {
  using cuda_batch_norm<batch_norm<Options...>, Activation, In>::cuda_batch_norm;
};

}  // namespace firecaffe
