#pragma once

#include "../layers/pool.hpp"
#include "device.hpp"

namespace firecaffe {

// Pooling by our own functors: cuDNN's means divide otherwise where a window hangs over the padded input, and its
// maximum gives tied gradients to another element than Caffe does. A thread has four channels of one pixel. Going back
// it gathers from the windows that its pixel is in, in their order: no atomics, nothing cleared first. Which element
// was a window's maximum is kept from the forward pass, so that neither x nor y is read again.
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

  // Where input pixel (h, w) lies in the window of output pixel (out_h, out_w).
  __device__ int tap(int out_h, int out_w, int h, int w) const {
    return (h + slide.pad_h - out_h * slide.stride_h) * slide.kernel_w + w + slide.pad_w - out_w * slide.stride_w;
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

// Which element of its window is the maximum, the first of equals, counted row by row over the whole window, padding
// included. One for each channel, side by side like the channels of a packed y.
template <class Index>
struct alignas(quad * sizeof(Index)) winners {
  Index of[quad];
};

template <class Index>
struct max_pool_forward {
  pool_geometry g;
  const_rows x;
  rows y;
  winners<Index>* winner;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_output(i);
    const auto down = g.inside_rows(p.h), across = g.inside_columns(p.w);
    float best[quad], here[quad];
    winners<Index> which;
    load_quad(best, x.data + g.in_row(p, down.first, across.first) * x.pitch + p.column);
    for (int j = 0; j < quad; ++j) which.of[j] = Index(g.tap(p.h, p.w, down.first, across.first));
    for (int h = down.first; h < down.last; ++h)
      for (int w = across.first; w < across.last; ++w) {
        load_quad(here, x.data + g.in_row(p, h, w) * x.pitch + p.column);
        const auto tap = Index(g.tap(p.h, p.w, h, w));
        for (int j = 0; j < quad; ++j)
          if (here[j] > best[j]) best[j] = here[j], which.of[j] = tap;
      }
    store_quad(y.data + g.out_row(p, p.h, p.w) * y.pitch + p.column, best);
    winner[i] = which;
  }
};

// A window's gradient goes to its winner.
template <class Index>
struct max_pool_backward {
  pool_geometry g;
  const winners<Index>* winner;
  const_rows dy;
  rows dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_input(i);
    float* out = dx.data + g.in_row(p, p.h, p.w) * dx.pitch + p.column;
    float total[quad] = {}, share[quad];
    if (add) load_quad(total, out);
    const auto down = g.windows_down(p.h), across = g.windows_across(p.w);
    for (int h = down.first; h < down.last; ++h)
      for (int w = across.first; w < across.last; ++w) {
        const std::int64_t row = g.out_row(p, h, w);
        const winners<Index> which = winner[row * g.quads_per_row + p.column / quad];
        load_quad(share, dy.data + row * dy.pitch + p.column);
        const auto tap = Index(g.tap(h, w, p.h, p.w));
        for (int j = 0; j < quad; ++j)
          if (which.of[j] == tap) total[j] += share[j];
      }
    store_quad(out, total);
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
  static constexpr int taps = max_pool<Options...>::slide(In.extents).taps();
  using index = std::conditional_t<(taps <= 256), std::uint8_t,
                                   std::conditional_t<(taps <= 65536), std::uint16_t, std::uint32_t>>;

  implementation(cuda_device& device, int batch)
      : base(device, batch),
        winner_(device.template allocate<winners<index>>(std::size_t(batch) * std::size_t(Out.extents.pixels()) *
                                                         base::geometry.quads_per_row)) {}

  void forward(cuda_device& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.quads(y),
                  max_pool_forward<index>{base::geometry, device.readable(x), device.writable(y), winner_.data()});
  }
  void backward(cuda_device& device, tensor_view<const float>, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    device.launch(device.quads(dx), max_pool_backward<index>{base::geometry, winner_.data(), device.readable(dy),
                                                             device.writable(dx), adds.input});
  }

 private:
  device_memory<winners<index>> winner_;
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
