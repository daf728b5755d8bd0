#pragma once

#include "../layers/activations.hpp"
#include "../layers/pool.hpp"
#include "device.hpp"

namespace firecaffe {

// A maximum that a ReLU makes zero wins nothing: going back costs no more with it than without.
template <class... Options>
constexpr bool cuda_fuses<max_pool<Options...>, relu> = true;
template <class... Options>
constexpr bool cuda_remembers<max_pool<Options...>> = true;

// Pooling by our own functors: cuDNN's means divide otherwise where a window hangs over the padded input, and its
// maximum gives tied gradients to another element than Caffe does. A thread has 16 bytes of one pixel. Going back it
// gathers from the windows that its pixel is in, in their order: no atomics, nothing cleared first. Which element was a
// window's maximum is kept from the forward pass, so that neither x nor y is read again.

struct pool_range {
  int first, last;
};

// Windows along one dimension.
struct pool_axis {
  int in, out, kernel, stride, pad;

  // The part of window `o` that is inside the input.
  __device__ pool_range inside(int o) const {
    const int first = o * stride - pad, last = first + kernel;
    return {first > 0 ? first : 0, last < in ? last : in};
  }
  // What the mean divides by: padding counts, what hangs over the padded input does not.
  __device__ int divisor(int o) const {
    const int first = o * stride - pad, last = first + kernel;
    return (last < in + pad ? last : in + pad) - first;
  }
  // The windows that input coordinate `i` is in.
  __device__ pool_range windows(int i) const {
    const int beyond = i + pad - kernel, last = (i + pad) / stride + 1;
    return {beyond < 0 ? 0 : beyond / stride + 1, last < out ? last : out};
  }
  __device__ int tap(int o, int i) const { return i + pad - o * stride; }
};

struct pool_geometry {
  pool_axis d, h, w;
  std::uint32_t packs_per_row;
  int lanes;

  struct point {
    int d, h, w;
  };
  struct position : point {
    std::int64_t first_in, first_out;  // rows where the sample starts
    int column;
  };
  __device__ position at(std::uint32_t i, int depth, int height, int width) const {
    const std::uint32_t row = i / packs_per_row, line = row / std::uint32_t(width),
                        plane = line / std::uint32_t(height);
    const std::uint32_t sample = depth == 1 ? plane : plane / std::uint32_t(depth);
    return {{int(plane - sample * std::uint32_t(depth)), int(line - plane * std::uint32_t(height)),
             int(row - line * std::uint32_t(width))},
            std::int64_t{sample} * d.in * h.in * w.in,
            std::int64_t{sample} * d.out * h.out * w.out,
            int(i - row * packs_per_row) * lanes};
  }
  __device__ position at_output(std::uint32_t i) const { return at(i, d.out, h.out, w.out); }
  __device__ position at_input(std::uint32_t i) const { return at(i, d.in, h.in, w.in); }
  __device__ std::int64_t in_row(const position& p, const point& i) const {
    return p.first_in + (i.d * h.in + i.h) * w.in + i.w;
  }
  __device__ std::int64_t out_row(const position& p, const point& o) const {
    return p.first_out + (o.d * h.out + o.h) * w.out + o.w;
  }

  // Where input pixel `i` lies in the window of output pixel `o`, counted row by row, padding included.
  __device__ int tap(const point& o, const point& i) const {
    return (d.tap(o.d, i.d) * h.kernel + h.tap(o.h, i.h)) * w.kernel + w.tap(o.w, i.w);
  }
  __device__ float share(const point& o) const {
    return 1.0f / float(d.divisor(o.d) * h.divisor(o.h) * w.divisor(o.w));
  }
  // use(pixel, load(pixel)) for the pixels of window `o` that are inside the input, and for the windows that pixel `i`
  // is in.
  template <int ahead, class Load, class Use>
  __device__ void for_each_inside(const point& o, Load load, Use use) const {
    visit<ahead>(d.inside(o.d), h.inside(o.h), w.inside(o.w), load, use);
  }
  template <int ahead, class Load, class Use>
  __device__ void for_each_window(const point& i, Load load, Use use) const {
    visit<ahead>(d.windows(i.d), h.windows(i.h), w.windows(i.w), load, use);
  }

 private:
  template <int ahead, class Load, class Use>
  __device__ static void visit(pool_range in, pool_range down, pool_range across, Load load, Use use) {
    for (int a = in.first; a < in.last; ++a)
      for (int b = down.first; b < down.last; ++b)
        for (int c = across.first; c < across.last; c += ahead) {
          decltype(load(point{})) held[ahead];
#pragma unroll
          for (int k = 0; k < ahead; ++k)
            if (c + k < across.last) held[k] = load(point{a, b, c + k});
#pragma unroll
          for (int k = 0; k < ahead; ++k)
            if (c + k < across.last) use(point{a, b, c + k}, held[k]);
        }
  }
};

// Which element of its window is the maximum, the first of equals. One for each channel, side by side like the channels
// of a packed y.
template <class Index, int N>
struct alignas(N * sizeof(Index) < 16 ? N * sizeof(Index) : 16) winners {
  Index of[N];
};

// With a ReLU behind it a window has no winner, but `nobody`, where nothing is above zero.
template <bool Rectified, class Index, class V>
struct max_pool_forward {
  static constexpr int n = lanes<V>;
  using point = pool_geometry::point;
  pool_geometry g;
  rows<const V> x;
  rows<V> y;
  winners<Index, n>* winner;
  Index nobody;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_output(i);
    float best[n] = {};
    winners<Index, n> which = {};
    for (int j = 0; Rectified && j < n; ++j) which.of[j] = nobody;
    bool first = !Rectified;
    g.for_each_inside<2>(
        p, [&](const point& pixel) { return read_pack<n>(x.data + g.in_row(p, pixel) * x.pitch + p.column); },
        [&](const point& pixel, const pack<n, V>& here) {
          const auto tap = Index(g.tap(p, pixel));
          for (int j = 0; j < n; ++j) {
            const auto v = static_cast<float>(here.of[j]);
            if (first || v > best[j]) best[j] = v, which.of[j] = tap;
          }
          first = false;
        });
    store_pack(y.data + g.out_row(p, p) * y.pitch + p.column, best);
    winner[i] = which;
  }
};

// A window's gradient goes to its winner.
template <class Index, class V>
struct max_pool_backward {
  static constexpr int n = lanes<V>;
  using point = pool_geometry::point;
  pool_geometry g;
  const winners<Index, n>* winner;
  rows<const V> dy;
  rows<V> dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_input(i);
    V* out = dx.data + g.in_row(p, p) * dx.pitch + p.column;
    float total[n] = {};
    if (add) load_pack(total, out);
    struct loaded {
      winners<Index, n> which;
      pack<n, V> share;
    };
    g.for_each_window<2>(
        p,
        [&](const point& window) -> loaded {
          const std::int64_t row = g.out_row(p, window);
          return {winner[row * g.packs_per_row + p.column / n], read_pack<n>(dy.data + row * dy.pitch + p.column)};
        },
        [&](const point& window, const loaded& l) {
          const auto tap = Index(g.tap(window, p));
          for (int j = 0; j < n; ++j)
            if (l.which.of[j] == tap) total[j] += static_cast<float>(l.share.of[j]);
        });
    store_pack(out, total);
  }
};

template <class V>
struct avg_pool_forward {
  static constexpr int n = lanes<V>;
  using point = pool_geometry::point;
  pool_geometry g;
  rows<const V> x;
  rows<V> y;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_output(i);
    float total[n] = {};
    g.for_each_inside<4>(
        p, [&](const point& pixel) { return read_pack<n>(x.data + g.in_row(p, pixel) * x.pitch + p.column); },
        [&](const point&, const pack<n, V>& here) {
          for (int j = 0; j < n; ++j) total[j] += static_cast<float>(here.of[j]);
        });
    for (float& t : total) t *= g.share(p);
    store_pack(y.data + g.out_row(p, p) * y.pitch + p.column, total);
  }
};

template <class V>
struct avg_pool_backward {
  static constexpr int n = lanes<V>;
  using point = pool_geometry::point;
  pool_geometry g;
  rows<const V> dy;
  rows<V> dx;
  bool add;

  __device__ void operator()(std::uint32_t i) const {
    const auto p = g.at_input(i);
    V* out = dx.data + g.in_row(p, p) * dx.pitch + p.column;
    float total[n] = {};
    if (add) load_pack(total, out);
    g.for_each_window<4>(
        p, [&](const point& window) { return read_pack<n>(dy.data + g.out_row(p, window) * dy.pitch + p.column); },
        [&](const point& window, const pack<n, V>& part) {
          for (int j = 0; j < n; ++j) total[j] += static_cast<float>(part.of[j]) * g.share(window);
        });
    store_pack(out, total);
  }
};

// The geometry of a pooling layer as its functors take it.
template <class V, class Layer, place In, place Out>
struct cuda_pool {
  static constexpr window slide = Layer::slide(In.extents);
  static constexpr pool_geometry geometry{
      {In.extents.depth, Out.extents.depth, slide.kernel_d, slide.stride_d, slide.pad_d},
      {In.extents.height, Out.extents.height, slide.kernel_h, slide.stride_h, slide.pad_h},
      {In.extents.width, Out.extents.width, slide.kernel_w, slide.stride_w, slide.pad_w},
      std::uint32_t(padded_channels<V>(In.extents.channels) / lanes<V>),
      lanes<V>};
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  cuda_pool(cuda_device&, int) {}
};

template <class V, class Layer, class Activation, place In, place Out>
class cuda_max_pool : public cuda_pool<V, Layer, In, Out> {
 public:
  using base = cuda_pool<V, Layer, In, Out>;
  static constexpr int taps = Layer::slide(In.extents).taps();
  using index = index_up_to<taps>;

  cuda_max_pool(cuda_device& device, int batch)
      : base(device, batch),
        winner_(device.template allocate<winners<index, lanes<V>>>(
            std::size_t(batch) * std::size_t(Out.extents.pixels()) * base::geometry.packs_per_row)) {}

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.packs(y),
                  max_pool_forward<std::is_same_v<Activation, relu>, index, V>{
                      base::geometry, device.readable(x), device.writable(y), winner_.data(), index(taps)});
  }
  void backward(cuda_device& device, tensor_view<const V>, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const float*>, no_parameters<float*>, accumulation adds, const pass&) {
    if (!dx) return;
    device.launch(device.packs(dx), max_pool_backward<index, V>{base::geometry, winner_.data(), device.readable(dy),
                                                                device.writable(dx), adds.input});
  }

 private:
  device_memory<winners<index, lanes<V>>> winner_;
};

template <cuda_policy P, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, max_pool<Options...>, In, Out>
    : cuda_max_pool<cuda_value<P>, max_pool<Options...>, identity, In, Out> {
  using cuda_max_pool<cuda_value<P>, max_pool<Options...>, identity, In, Out>::cuda_max_pool;
};

template <cuda_policy P, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, fused<max_pool<Options...>, relu>, In, Out>
    : cuda_max_pool<cuda_value<P>, max_pool<Options...>, relu, In, Out> {
  using cuda_max_pool<cuda_value<P>, max_pool<Options...>, relu, In, Out>::cuda_max_pool;
};

template <cuda_policy P, class... Options, place In, place Out>
struct implementation<basic_cuda<P>, avg_pool<Options...>, In, Out>
    : cuda_pool<cuda_value<P>, avg_pool<Options...>, In, Out> {
  using V = cuda_value<P>;
  using base = cuda_pool<V, avg_pool<Options...>, In, Out>;
  using base::base;

  void forward(cuda_device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const float*>,
               const pass&) {
    device.launch(device.packs(y), avg_pool_forward<V>{base::geometry, device.readable(x), device.writable(y)});
  }
  void backward(cuda_device& device, tensor_view<const V>, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const float*>, no_parameters<float*>, accumulation adds, const pass&) {
    if (!dx) return;
    device.launch(device.packs(dx),
                  avg_pool_backward<V>{base::geometry, device.readable(dy), device.writable(dx), adds.input});
  }
};

}  // namespace firecaffe
