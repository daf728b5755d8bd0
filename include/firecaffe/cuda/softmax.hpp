#pragma once

#include "../layers/losses.hpp"
#include "../layers/softmax.hpp"
#include "device.hpp"

namespace firecaffe {

// A warp has a sample, or a pixel of one; its lanes take the classes in turn. Sums are doubles, in an order that
// depends on the sizes alone.
constexpr int warp_lanes = 32, warps_per_block = 4;

template <class V>
struct score_rows {
  rows<const V> x;
  const std::int32_t* labels;
  int samples, classes;
};

// The same value in every lane.
template <class T, class Join>
__device__ T join_warp(T mine, Join join) {
  for (int distance = warp_lanes / 2; distance > 0; distance /= 2)
    mine = join(mine, __shfl_xor_sync(0xFFFFFFFFu, mine, distance));
  return mine;
}
struct join_largest {
  __device__ float operator()(float a, float b) const { return a > b ? a : b; }
};
struct join_sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

template <class V>
__device__ float largest_score(const V* row, int classes, int lane) {
  float top = row[0];
  for (int c = lane; c < classes; c += warp_lanes) top = join_largest{}(row[c], top);
  return join_warp(top, join_largest{});
}
template <class V>
__device__ double sum_of_exponentials(const V* row, float top, int classes, int lane) {
  double total = 0;
  for (int c = lane; c < classes; c += warp_lanes) total += double(expf(static_cast<float>(row[c]) - top));
  return join_warp(total, join_sum{});
}

// softmax(x) of sample n compared with its label.
template <class V>
struct compared_softmax {
  const V* row;
  float top;
  double sum;
  int label, classes;

  __device__ compared_softmax(const score_rows<V>& s, int n, int lane)
      : row(s.x.data + n * s.x.pitch),
        top(largest_score(row, s.classes, lane)),
        sum(sum_of_exponentials(row, top, s.classes, lane)),
        label(s.labels[n]),
        classes(s.classes) {}

  // Not a number where the label is none of the classes.
  __device__ double loss() const {
    const bool valid = label >= 0 && label < classes;
    return valid ? log(sum) - double(static_cast<float>(row[label]) - top) : nan("");
  }
  // dx (+)= scale * (softmax(x) - one at the label); padding is zero.
  __device__ void gradient(V* dx, int columns, float scale, bool add, int lane) const {
    const auto share = float(double(scale) / sum);
    for (int c = lane; c < columns; c += warp_lanes) {
      float slope = 0;
      if (c < classes)
        slope = expf(static_cast<float>(row[c]) - top) * share - (c == label ? scale : 0.0f) +
                (add ? static_cast<float>(dx[c]) : 0.0f);
      dx[c] = static_cast<V>(slope);
    }
  }
};

// The loss of a sample, in lane 0.
struct softmax_loss_of_sample {
  template <class V>
  __device__ double operator()(const score_rows<V>& s, int n, int lane) const {
    return compared_softmax<V>(s, n, lane).loss();
  }
};
// The same; its gradient is written along.
template <class V>
struct softmax_loss_and_gradient {
  rows<V> dx;
  int columns;
  float scale;
  __device__ double operator()(const score_rows<V>& s, int n, int lane) const {
    const compared_softmax<V> softmax(s, n, lane);
    softmax.gradient(dx.data + n * dx.pitch, columns, scale, false, lane);
    return softmax.loss();
  }
};

// 1 where the label's score is among the `most` largest, a score equal to it counting as larger; in lane 0.
struct label_among_largest {
  int most;
  template <class V>
  __device__ double operator()(const score_rows<V>& s, int n, int lane) const {
    const V* row = s.x.data + n * s.x.pitch;
    const int label = s.labels[n];
    const bool valid = label >= 0 && label < s.classes;
    int not_below = 0;
    for (int c = lane; valid && c < s.classes; c += warp_lanes)
      not_below += !(static_cast<float>(row[c]) < static_cast<float>(row[label]));
    not_below = join_warp(not_below, join_sum{});
    return valid && not_below <= most ? 1.0 : 0.0;
  }
};

// *sum = of(sample) added up over all samples; each[n] is sample n's.
template <class V, class Of>
__global__ void sum_over_samples(score_rows<V> s, Of of, double* each, double* sum, unsigned* counter) {
  const int n = int(blockIdx.x) * warps_per_block + int(threadIdx.y), lane = int(threadIdx.x);
  if (n < s.samples) {
    const double mine = of(s, n, lane);
    if (lane == 0) each[n] = mine;
  }
  if (!last_to_arrive(counter, gridDim.x) || threadIdx.y > 0) return;
  double total = 0;
  for (int i = lane; i < s.samples; i += warp_lanes) total += __ldcg(each + i);
  total = join_warp(total, join_sum{});
  if (lane == 0) *sum = total;
}

// As compared_softmax has it, of all samples.
template <class V>
__global__ void softmax_gradients(score_rows<V> s, rows<V> dx, int columns, float scale, bool add) {
  const int n = int(blockIdx.x) * warps_per_block + int(threadIdx.y), lane = int(threadIdx.x);
  if (n >= s.samples) return;
  compared_softmax<V>(s, n, lane).gradient(dx.data + n * dx.pitch, columns, scale, add, lane);
}

// y = softmax(x), row by row; padding is zero. y may be x.
template <class V>
__global__ void softmax_values(rows<const V> x, rows<V> y, int count, int channels, int columns) {
  const int n = int(blockIdx.x) * warps_per_block + int(threadIdx.y), lane = int(threadIdx.x);
  if (n >= count) return;
  const V* row = x.data + n * x.pitch;
  V* out = y.data + n * y.pitch;
  const float top = largest_score(row, channels, lane);
  const auto share = float(1.0 / sum_of_exponentials(row, top, channels, lane));
  for (int c = lane; c < columns; c += warp_lanes)
    out[c] = static_cast<V>(c < channels ? expf(static_cast<float>(row[c]) - top) * share : 0.0f);
}

// dx (+)= y (dy - sum of dy y), row by row; padding is zero. dx may be dy.
template <class V>
__global__ void softmax_slopes(rows<const V> y, rows<const V> dy, rows<V> dx, int count, int channels, int columns,
                               bool add) {
  const int n = int(blockIdx.x) * warps_per_block + int(threadIdx.y), lane = int(threadIdx.x);
  if (n >= count) return;
  const V *values = y.data + n * y.pitch, *slopes = dy.data + n * dy.pitch;
  V* out = dx.data + n * dx.pitch;
  double mean = 0;
  for (int c = lane; c < channels; c += warp_lanes)
    mean += double(static_cast<float>(values[c])) * double(static_cast<float>(slopes[c]));
  const auto common = float(join_warp(mean, join_sum{}));
  for (int c = lane; c < columns; c += warp_lanes) {
    float slope = 0;
    if (c < channels)
      slope = static_cast<float>(values[c]) * (static_cast<float>(slopes[c]) - common) +
              (add ? static_cast<float>(out[c]) : 0.0f);
    out[c] = static_cast<V>(slope);
  }
}

struct warp_per_sample {
  dim3 grid, block;
  explicit warp_per_sample(int samples)
      : grid(unsigned((samples + warps_per_block - 1) / warps_per_block)), block(warp_lanes, warps_per_block) {}
};

template <class V, class Of>
void launch_sum_over_samples(cuda_device& device, tensor_view<const V> x, const std::int32_t* labels, Of of,
                             double* sum) {
  const device_scope scope(device.ordinal());
  auto* each = static_cast<double*>(device.scratch(std::size_t(x.samples) * sizeof(double)));
  const warp_per_sample w(x.samples > 0 ? x.samples : 1);
  sum_over_samples<<<w.grid, w.block, 0, device.stream()>>>(
      score_rows<V>{device.readable(x), labels, x.samples, x.extents.channels}, of, each, sum, device.sums().counters);
  check_status(cudaGetLastError(), "sum_over_samples", device.ordinal());
}

template <cuda_policy P, place In, place Out>
struct implementation<basic_cuda<P>, softmax, In, Out> {
  using V = cuda_value<P>;
  static constexpr int channels = In.extents.channels, columns = padded_channels<V>(channels);
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(cuda_device&, int) {}

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const float*>,
               const pass&) {
    if (x.samples == 0) return;
    const device_scope scope(device.ordinal());
    const int count = int(device.row_count(x));
    const warp_per_sample w(count);
    softmax_values<V>
        <<<w.grid, w.block, 0, device.stream()>>>(device.readable(x), device.writable(y), count, channels, columns);
    check_status(cudaGetLastError(), "softmax_values", device.ordinal());
  }

  void backward(cuda_device& device, tensor_view<const V>, tensor_view<const V> y, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const float*>, no_parameters<float*>, accumulation adds, const pass&) {
    if (!dx || y.samples == 0) return;
    const device_scope scope(device.ordinal());
    const int count = int(device.row_count(y));
    const warp_per_sample w(count);
    softmax_slopes<V><<<w.grid, w.block, 0, device.stream()>>>(
        device.readable(y), device.readable(dy), device.writable(dx), count, channels, columns, adds.input);
    check_status(cudaGetLastError(), "softmax_slopes", device.ordinal());
  }
};

template <cuda_policy P, place In, place Out>
struct implementation<basic_cuda<P>, softmax_loss, In, Out> {
  using V = cuda_value<P>;
  static constexpr int columns = padded_channels<V>(In.extents.channels);
  implementation(cuda_device& device, int batch) { device.scratch(std::size_t(batch) * sizeof(double)); }

  void forward(cuda_device& device, tensor_view<const V> x, target_view<float> target, double* sum, const pass&) {
    launch_sum_over_samples(device, x, target.labels, softmax_loss_of_sample{}, sum);
  }
  void forward(cuda_device& device, tensor_view<const V> x, target_view<float> target, double* sum, tensor_view<V> dx,
               double scale, const pass&) {
    const softmax_loss_and_gradient<V> of{device.writable(dx), columns, float(scale)};
    launch_sum_over_samples(device, x, target.labels, of, sum);
  }

  void backward(cuda_device& device, tensor_view<const V> x, target_view<float> target, tensor_view<V> dx, double scale,
                accumulation adds, const pass&) {
    if (!dx || x.samples == 0) return;
    const device_scope scope(device.ordinal());
    const warp_per_sample w(x.samples);
    softmax_gradients<<<w.grid, w.block, 0, device.stream()>>>(
        score_rows<V>{device.readable(x), target.labels, x.samples, In.extents.channels}, device.writable(dx), columns,
        float(scale), adds.input);
    check_status(cudaGetLastError(), "softmax_gradients", device.ordinal());
  }
};

template <cuda_policy P, int K, place In, place Out>
struct implementation<basic_cuda<P>, accuracy<K>, In, Out> {
  using V = cuda_value<P>;
  implementation(cuda_device& device, int batch) { device.scratch(std::size_t(batch) * sizeof(double)); }

  void forward(cuda_device& device, tensor_view<const V> x, target_view<float> target, double* sum, const pass&) {
    launch_sum_over_samples(device, x, target.labels, label_among_largest{K}, sum);
  }
};

}  // namespace firecaffe
