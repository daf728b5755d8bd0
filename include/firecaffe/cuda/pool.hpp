#pragma once

#include "../layers/pool.hpp"
#include "device.hpp"

namespace firecaffe {

// Pooling by our own functors: cuDNN's means divide otherwise where a window hangs over the padded input, and its
// maximum gives tied gradients to another element than Caffe does. A thread has four channels of one pixel. Going back
// it gathers from the windows that its pixel is in, in their order: no atomics, nothing cleared first.
struct pool_geometry {
  int in_height, in_width, out_height, out_width;
  window slide;
  std::uint32_t quads_per_row;

  struct range {
    int first, last;
  };
  // The part of window `o` that is inside the input.
  static __device__ range inside(int o, int kernel, int stride, int pad, int extent) {
    const int first = o * stride - pad, last = first + kernel;
    return {first > 0 ? first : 0, last < extent ? last : extent};
  }
  // What the mean divides by, in one dimension: padding counts, what hangs over the padded input does not.
  static __device__ int divisor(int o, int kernel, int stride, int pad, int extent) {
    const int first = o * stride - pad, last = first + kernel;
    return (last < extent + pad ? last : extent + pad) - first;
  }
  // The windows that input coordinate `i` is in.
  static __device__ range windows(int i, int kernel, int stride, int pad, int windows) {
    const int beyond = i + pad - kernel, last = (i + pad) / stride + 1;
    return {beyond < 0 ? 0 : beyond / stride + 1, last < windows ? last : windows};
  }

  __device__ range inside_rows(int o) const {
    return inside(o, slide.kernel_h, slide.stride_h, slide.pad_h, in_height);
  }
  __device__ range inside_columns(int o) const {
    return inside(o, slide.kernel_w, slide.stride_w, slide.pad_w, in_width);
  }
  __device__ range windows_down(int i) const {
    return windows(i, slide.kernel_h, slide.stride_h, slide.pad_h, out_height);
  }
  __device__ range windows_across(int i) const {
    return windows(i, slide.kernel_w, slide.stride_w, slide.pad_w, out_width);
  }
  __device__ float share(int h, int w) const {
    return 1.0f / float(divisor(h, slide.kernel_h, slide.stride_h, slide.pad_h, in_height) *
                        divisor(w, slide.kernel_w, slide.stride_w, slide.pad_w, in_width));
  }

  struct position {
    std::int64_t first_in, first_out;  // rows where the sample starts
    int h, w, column;
  };
  __device__ position at(std::uint32_t i, int height, int width) const {
    const std::uint32_t row = i / quads_per_row, line = row / std::uint32_t(width);
    const std::int64_t sample = line / std::uint32_t(height);
    return {sample * in_height * in_width, sample * out_height * out_width, int(line % std::uint32_t(height)),
            int(row % std::uint32_t(width)), int(i % quads_per_row) * quad};
  }
  __device__ position at_output(std::uint32_t i) const { return at(i, out_height, out_width); }
  __device__ position at_input(std::uint32_t i) const { return at(i, in_height, in_width); }
  __device__ std::int64_t in_row(const position& p, int h, int w) const { return p.first_in + h * in_width + w; }
  __device__ std::int64_t out_row(const position& p, int h, int w) const { return p.first_out + h * out_width + w; }
};

struct max_pool_forward {
  pool_geometry g;
  const_rows x;
  rows y;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_output(i);
    const auto down = g.inside_rows(p.h), across = g.inside_columns(p.w);
    float best[quad], here[quad];
    load_quad(best, x.data + g.in_row(p, down.first, across.first) * x.pitch + p.column);
    for (int h = down.first; h < down.last; ++h)
      for (int w = across.first; w < across.last; ++w) {
        load_quad(here, x.data + g.in_row(p, h, w) * x.pitch + p.column);
        for (int j = 0; j < quad; ++j) best[j] = here[j] > best[j] ? here[j] : best[j];
      }
    store_quad(y.data + g.out_row(p, p.h, p.w) * y.pitch + p.column, best);
  }
};

// A window's gradient goes to the first of its elements that equal its maximum.
struct max_pool_backward {
  pool_geometry g;
  const_rows x, y, dy;
  rows dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_input(i);
    float* out = dx.data + g.in_row(p, p.h, p.w) * dx.pitch + p.column;
    float total[quad] = {}, mine[quad], top[quad], share[quad];
    if (add) load_quad(total, out);
    load_quad(mine, x.data + g.in_row(p, p.h, p.w) * x.pitch + p.column);
    const auto down = g.windows_down(p.h), across = g.windows_across(p.w);
    for (int h = down.first; h < down.last; ++h)
      for (int w = across.first; w < across.last; ++w) {
        const std::int64_t row = g.out_row(p, h, w);
        load_quad(top, y.data + row * y.pitch + p.column);
        load_quad(share, dy.data + row * dy.pitch + p.column);
        for (int j = 0; j < quad; ++j)
          if (mine[j] == top[j] && first(p, h, w, j, top[j])) total[j] += share[j];
      }
    store_quad(out, total);
  }

 private:
  // No earlier element of the window equals its maximum.
  __device__ bool first(const pool_geometry::position& p, int window_h, int window_w, int j, float top) const {
    const auto down = g.inside_rows(window_h), across = g.inside_columns(window_w);
    for (int h = down.first; h <= p.h; ++h) {
      const int end = h < p.h ? across.last : p.w;
      for (int w = across.first; w < end; ++w)
        if (x.data[g.in_row(p, h, w) * x.pitch + p.column + j] == top) return false;
    }
    return true;
  }
};

struct avg_pool_forward {
  pool_geometry g;
  const_rows x;
  rows y;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_output(i);
    const auto down = g.inside_rows(p.h), across = g.inside_columns(p.w);
    float total[quad] = {}, here[quad];
    for (int h = down.first; h < down.last; ++h)
      for (int w = across.first; w < across.last; ++w) {
        load_quad(here, x.data + g.in_row(p, h, w) * x.pitch + p.column);
        for (int j = 0; j < quad; ++j) total[j] += here[j];
      }
    for (float& t : total) t *= g.share(p.h, p.w);
    store_quad(y.data + g.out_row(p, p.h, p.w) * y.pitch + p.column, total);
  }
};

struct avg_pool_backward {
  pool_geometry g;
  const_rows dy;
  rows dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_input(i);
    float* out = dx.data + g.in_row(p, p.h, p.w) * dx.pitch + p.column;
    float total[quad] = {}, part[quad];
    if (add) load_quad(total, out);
    const auto down = g.windows_down(p.h), across = g.windows_across(p.w);
    for (int h = down.first; h < down.last; ++h)
      for (int w = across.first; w < across.last; ++w) {
        load_quad(part, dy.data + g.out_row(p, h, w) * dy.pitch + p.column);
        for (int j = 0; j < quad; ++j) total[j] += part[j] * g.share(h, w);
      }
    store_quad(out, total);
  }
};

// The geometry of a pooling layer as its functors take it.
template <class Layer, place In, place Out>
struct cuda_pool {
  static_assert(In.extents.depth == 1 && Layer::slide(In.extents).kernel_d == 1,
                "no kernel for volumes on this device");
  static constexpr pool_geometry geometry{
      In.extents.height, In.extents.width,         Out.extents.height,
      Out.extents.width, Layer::slide(In.extents), std::uint32_t(padded_channels(In.extents.channels) / quad)};
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  cuda_pool(cuda_device&, int) {}
};

template <cuda_math Math, class... Options, place In, place Out>
struct implementation<basic_cuda<Math>, max_pool<Options...>, In, Out> : cuda_pool<max_pool<Options...>, In, Out> {
  using base = cuda_pool<max_pool<Options...>, In, Out>;
  using base::base;

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.quads(y), max_pool_forward{base::geometry, device.readable(x), device.writable(y)});
  }
  void backward(cuda_device& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    device.launch(device.quads(dx), max_pool_backward{base::geometry, device.readable(x), device.readable(y),
                                                      device.readable(dy), device.writable(dx), adds.input});
  }
};

template <cuda_math Math, class... Options, place In, place Out>
struct implementation<basic_cuda<Math>, avg_pool<Options...>, In, Out> : cuda_pool<avg_pool<Options...>, In, Out> {
  using base = cuda_pool<avg_pool<Options...>, In, Out>;
  using base::base;

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.quads(y), avg_pool_forward{base::geometry, device.readable(x), device.writable(y)});
  }
  void backward(cuda_device& device, tensor_view<const float>, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    device.launch(device.quads(dx),
                  avg_pool_backward{base::geometry, device.readable(dy), device.writable(dx), adds.input});
  }
};

}  // namespace firecaffe
