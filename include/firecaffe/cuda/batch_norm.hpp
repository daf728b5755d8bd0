#pragma once

#include "../layers/activations.hpp"
#include "../layers/batch_norm.hpp"
#include "device.hpp"
#include "norm_kernels.hpp"

namespace firecaffe {

// The pass that normalises takes any pointwise layer behind it; going back, its result is computed again from x. A sum
// it takes along too: then the layer behind that goes back by y, in the pass that adds up.
template <class... Options, pointwise Next>
constexpr bool cuda_fuses<batch_norm<Options...>, Next> = true;
template <class... Options, pointwise Next>
constexpr bool cuda_fuses<summed<batch_norm<Options...>>, Next> = true;

// Batch normalisation by our own kernels: cuDNN's take neither slices nor groups of samples apart. Both passes read
// their values twice, once for sums over each channel and once for the result.
template <class V, class Layer, class Activation, bool Summed, place In>
class cuda_batch_norm {
 public:
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr batch_norm_settings settings = Layer::settings;
  static constexpr parameters<weight_layout> storage() { return canonical_storage<Layer>(In.extents); }

  cuda_batch_norm(cuda_device& device, int batch)
      : table_(device.template allocate<float>(std::size_t(Layer::groups(batch)) * norm_table::entries * columns)) {
    if (Layer::groups(batch) > 65535)
      throw usage_error("cuda: batch_norm over more than 65535 grains: make the batch smaller");
  }

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, parameters<const float*> p,
               const pass& now) requires(!Summed) {
    normalise(device, x, {}, y, p, now);
  }
  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> other, tensor_view<V> y,
               parameters<const float*> p, const pass& now) requires(Summed) {
    normalise(device, x, other, y, p, now);
  }

  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                parameters<const float*>, parameters<float*> gradients, accumulation adds,
                const pass& now) requires(!Summed) {
    go_back<Activation>(device, slope_sums<Activation, V>{device.readable(x), device.readable(dy), {}, {}, {}}, x, dy,
                        dx, gradients, adds, now);
  }
  void backward(cuda_device& device, tensor_view<const V> x, tensor_view<const V> y, tensor_view<V> dy,
                tensor_view<V> other, tensor_view<V> dx, parameters<const float*>, parameters<float*> gradients,
                accumulation adds, const pass& now) requires(Summed) {
    const bool changes = !std::is_same_v<Activation, identity>;
    const tensor_view<V> before = other ? other : dy;
    const slope_mask<Activation, V> mask{device.readable(y), device.readable(dy),
                                         other || changes ? device.writable(before) : rows<V>{}, y.extents.channels};
    go_back<identity>(device, summed_slope_sums<Activation, V>{device.readable(x), mask, {}}, x, before, dx, gradients,
                      adds, now);
  }

 private:
  static constexpr int columns = padded_channels<V>(In.extents.channels);

  void normalise(cuda_device& device, tensor_view<const V> x, tensor_view<const V> other, tensor_view<V> y,
                 parameters<const float*> p, const pass& now) {
    if (x.samples == 0) return;
    const norm_groups g = groups(x.samples, now.training);
    const norm_entries entries{table(), arrays(p), float(settings.epsilon), g.channels};
    if (now.training) {
      const device_scope scope(device.ordinal());
      const column_blocks shares(g.group_rows, columns / lanes<V>, g.groups);
      norm_moments<<<shares.grid, shares.block, 0, device.stream()>>>(g, device.readable(x), entries, device.sums());
      check_status(cudaGetLastError(), "norm_moments", device.ordinal());
    } else {
      device.launch(columns, entries);
    }
    device.launch(device.packs(y),
                  norm_forward<Activation, V, Summed>{g, device.template indices<V>(y.extents, false), table(),
                                                      device.readable(x), device.readable(other), device.writable(y)});
  }

  // From dy, which is behind the activation `Behind`.
  template <class Behind, class Source>
  void go_back(cuda_device& device, const Source& source, tensor_view<const V> x, tensor_view<V> dy, tensor_view<V> dx,
               parameters<float*> gradients, accumulation adds, const pass& now) {
    const norm_groups g = groups(x.samples, now.training);
    const norm_gradients totals{g, table(), arrays(gradients), now.scale, adds.parameters, !now.training};
    if (g.groups > 0) {
      const device_scope scope(device.ordinal());
      const column_blocks shares(g.group_rows, columns / lanes<V>, g.groups);
      norm_slopes<V><<<shares.grid, shares.block, 0, device.stream()>>>(g, table(), source, totals, device.sums());
      check_status(cudaGetLastError(), "norm_slopes", device.ordinal());
    }
    if (g.groups != 1) device.launch(g.channels, totals);
    if (dx)
      device.launch(device.packs(dx), norm_backward<Behind, V>{g, device.template indices<V>(dx.extents, false),
                                                               table(), device.readable(x), device.readable(dy),
                                                               device.writable(dx), adds.input, !now.training});
  }

  static norm_groups groups(int samples, bool training) {
    const int group = training ? Layer::group(0, samples) : samples;
    return {std::int64_t{samples} * In.extents.pixels(), std::int64_t{group} * In.extents.pixels(), In.extents};
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

template <cuda_policy P, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, batch_norm<Options...>, In, Out>
    : cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, identity, false, In> {
  using cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, identity, false, In>::cuda_batch_norm;
};

template <cuda_policy P, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<P>, fused<batch_norm<Options...>, Activation>, In, Out>
    : cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, Activation, false, In> {
  using cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, Activation, false, In>::cuda_batch_norm;
};

template <cuda_policy P, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, summed<batch_norm<Options...>>, In, Out>
    : cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, identity, true, In> {
  using cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, identity, true, In>::cuda_batch_norm;
};

template <cuda_policy P, class... Options, class Activation, place In, place Out>
struct implementation<basic_cuda<P>, fused<summed<batch_norm<Options...>>, Activation>, In, Out>
    : cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, Activation, true, In> {
  using cuda_batch_norm<cuda_value<P>, batch_norm<Options...>, Activation, true, In>::cuda_batch_norm;
};

}  // namespace firecaffe
