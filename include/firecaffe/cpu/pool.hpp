#pragma once

#include "../layers/activations.hpp"
#include "../layers/pool.hpp"
#include "device.hpp"
#include "vector.hpp"

namespace firecaffe {

template <class... Options>
constexpr bool cpu_fuses<max_pool<Options...>, relu> = true;
template <class... Options>
constexpr bool cpu_remembers<max_pool<Options...>> = true;

// Pooling over whole channel blocks: each step of the window is one vector operation, the window's size and the plane's
// are known to the compiler, and padding costs a comparison of constants.
template <int Block, class Layer, place In, place Out>
struct cpu_pool {
  static constexpr shape in = In.extents, out = Out.extents;
  static constexpr window slide = Layer::slide(In.extents);
  static constexpr int lanes = In.strides.block;
  static constexpr int blocks = (In.extents.channels + lanes - 1) / lanes;

  // Every element is in exactly one window.
  static constexpr bool tiles = slide.stride_d == slide.kernel_d && slide.stride_h == slide.kernel_h &&
                                slide.stride_w == slide.kernel_w && slide.pad_d == 0 && slide.pad_h == 0 &&
                                slide.pad_w == 0 && out.depth * slide.stride_d == in.depth &&
                                out.height * slide.stride_h == in.height && out.width * slide.stride_w == in.width;

  using vec = vector<lanes>;
  static auto& at(const float* p) { return vector_at<lanes>(p); }
  static auto& at(float* p) { return vector_at<lanes>(p); }

  static constexpr no_parameters<weight_layout> storage() { return {}; }
  cpu_pool(basic_cpu<Block>&, int) {}

  struct range {
    int first, last,
        size;  // clipped to the input; `size` counts the padding inside the padded input, as Caffe's mean does
  };
  static constexpr range clip(int o, int kernel, int stride, int pad, int extent) {
    const int first = o * stride - pad, padded = first + kernel < extent + pad ? first + kernel : extent + pad;
    return {first > 0 ? first : 0, padded < extent ? padded : extent, padded - first};
  }

  // Of a window at a border: what it covers of the input, by dimension.
  struct region {
    range slabs, rows, columns;
    float share() const { return 1.0f / float(slabs.size * rows.size * columns.size); }
    int first() const { return ((slabs.first * in.height + rows.first) * in.width + columns.first) * lanes; }
    // Calls f(offset in the block) for every pixel, row-major.
    template <class F>
    void for_each_pixel(F f) const {
      constexpr bool flat = in.depth == 1;  // then every window has slab 0 in it: said so, there is no loop
      for (int d = flat ? 0 : slabs.first; d < (flat ? 1 : slabs.last); ++d)
        for (int h = rows.first; h < rows.last; ++h)
          for (int w = columns.first; w < columns.last; ++w) f(((d * in.height + h) * in.width + w) * lanes);
    }
  };

  // Of a window that lies in the input: most do, and their loops have constant bounds.
  struct whole_region {
    int start;
    static constexpr float share() { return 1.0f / float(slide.taps()); }
    int first() const { return start; }
    template <class F>
    void for_each_pixel(F f) const {
      for (int d = 0; d < slide.kernel_d; ++d)
        for (int h = 0; h < slide.kernel_h; ++h)
          for (int w = 0; w < slide.kernel_w; ++w) f(start + ((d * in.height + h) * in.width + w) * lanes);
    }
  };

  // The outputs along one dimension whose windows lie in the input: [first, last).
  struct span_of_whole {
    int first, last;
    constexpr bool has(int o) const { return o >= first && o < last; }
  };
  static constexpr span_of_whole whole(int kernel, int stride, int pad, int extent, int outputs) {
    const int first = (pad + stride - 1) / stride, room = extent - kernel + pad;
    const int last = room < 0 ? 0 : room / stride + 1;
    return {first, last < outputs ? last : outputs};
  }

  // Calls f(block of x, block of y, region) for every window of a sample; both are offsets.
  template <class F>
  static void for_each_window(F f) {
    constexpr std::ptrdiff_t in_block = std::ptrdiff_t{in.pixels()} * lanes,
                             out_block = std::ptrdiff_t{out.pixels()} * lanes;
    constexpr span_of_whole deep = whole(slide.kernel_d, slide.stride_d, slide.pad_d, in.depth, out.depth),
                            high = whole(slide.kernel_h, slide.stride_h, slide.pad_h, in.height, out.height),
                            wide = whole(slide.kernel_w, slide.stride_w, slide.pad_w, in.width, out.width);
    for (int b = 0; b < blocks; ++b)
      for (int d = 0; d < out.depth; ++d) {
        const range slabs = clip(d, slide.kernel_d, slide.stride_d, slide.pad_d, in.depth);
        for (int h = 0; h < out.height; ++h) {
          const range rows = clip(h, slide.kernel_h, slide.stride_h, slide.pad_h, in.height);
          const std::ptrdiff_t from = b * in_block,
                               to = b * out_block + std::ptrdiff_t{d * out.height + h} * out.width * lanes;
          const bool inside = deep.has(d) && high.has(h);
          const int first = inside && wide.first < wide.last ? wide.first : out.width;
          const auto border = [&](int w) {
            f(from, to + w * lanes,
              region{slabs, rows, clip(w, slide.kernel_w, slide.stride_w, slide.pad_w, in.width)});
          };
          for (int w = 0; w < first; ++w) border(w);
          if (first == out.width) continue;
          for (int w = first; w < wide.last; ++w)
            f(from, to + w * lanes,
              whole_region{((slabs.first * in.height + rows.first) * in.width + w * slide.stride_w - slide.pad_w) *
                           lanes});
          for (int w = wide.last; w < out.width; ++w) border(w);
        }
      }
  }

  template <class View>
  static auto* sample(View v, int n) {
    return v.data + n * v.strides.sample;
  }
};

// With or without a ReLU behind it. Which element of its window was the maximum, the first of equals, is kept from the
// forward pass: going back neither x nor y is read.
template <int Block, class Layer, class Activation, place In, place Out>
class cpu_max_pool : public cpu_pool<Block, Layer, In, Out> {
 public:
  using base = cpu_pool<Block, Layer, In, Out>;
  using base::at, base::lanes;
  using vec = typename base::vec;

  cpu_max_pool(basic_cpu<Block>& device, int batch)
      : base(device, batch), winners_(In.gradient ? std::size_t(batch) * sample_winners : 0) {}

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass& now) {
    if constexpr (In.gradient)
      if (now.training) return forward<true>(device, x, y);
    forward<false>(device, x, y);
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float>, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < dy.samples; ++n) {
      const float* pdy = base::sample(dy, n);
      float* pdx = base::sample(dx, n);
      const bool writes = base::tiles && !adds.input;
      if (!writes && !adds.input)
        std::memset(pdx, 0, sizeof(float) * std::size_t(basic_cpu<Block>::sample_elements(dx)));
      base::for_each_window([&](std::ptrdiff_t from, std::ptrdiff_t to, const auto& r) {
        const places winner = __builtin_convertvector(integers<index, lanes>::at(winners(n) + to), places);
        const vec all = at(pdy + to);
        places here = {};
        r.for_each_pixel([&](int p) {
          float* share_of = pdx + from + p;
          const vec share = winner == here ? all : vec{};
          here += 1;
          at(share_of) = writes ? share : share + at(share_of);
        });
      });
    }
  }

 private:
  static constexpr bool rectified = std::is_same_v<Activation, relu>;
  // The how many-eth element that a window has in the input; with a ReLU behind it, nobody where none is above zero.
  static constexpr int nobody = base::slide.taps();
  using index = index_up_to<nobody>;
  using places = decltype(vec{} > vec{});
  static constexpr std::size_t sample_winners = std::size_t(base::blocks) * std::size_t(base::out.pixels()) * lanes;

  index* winners(int n) const { return winners_.data() + std::size_t(n) * sample_winners; }

  template <bool Keeps>
  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y) {
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < x.samples; ++n) {
      const float* px = base::sample(x, n);
      float* py = base::sample(y, n);
      base::for_each_window([&](std::ptrdiff_t from, std::ptrdiff_t to, const auto& r) {
        vec best = {};  // what a ReLU makes of nothing above it
        if constexpr (!rectified) best = at(px + from + r.first());
        places winner = places{} + (rectified ? nobody : 0), here = {};
        r.for_each_pixel([&](int p) {
          const vec next = at(px + from + p);
          if constexpr (Keeps) winner = next > best ? here : winner, here += 1;
          best = next > best ? next : best;
        });
        at(py + to) = best;
        if constexpr (Keeps)
          integers<index, lanes>::at(winners(n) + to) =
              __builtin_convertvector(winner, typename integers<index, lanes>::in_memory);
      });
    }
  }

  aligned_memory<index> winners_;
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, max_pool<Options...>, In, Out>
    : cpu_max_pool<Block, max_pool<Options...>, identity, In, Out> {
  using cpu_max_pool<Block, max_pool<Options...>, identity, In, Out>::cpu_max_pool;
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, fused<max_pool<Options...>, relu>, In, Out>
    : cpu_max_pool<Block, max_pool<Options...>, relu, In, Out> {
  using cpu_max_pool<Block, max_pool<Options...>, relu, In, Out>::cpu_max_pool;
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, avg_pool<Options...>, In, Out>
    : cpu_pool<Block, avg_pool<Options...>, In, Out> {
  using base = cpu_pool<Block, avg_pool<Options...>, In, Out>;
  using base::base, base::at;
  using vec = typename base::vec;

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < x.samples; ++n) {
      const float* px = base::sample(x, n);
      float* py = base::sample(y, n);
      base::for_each_window([&](std::ptrdiff_t from, std::ptrdiff_t to, const auto& r) {
        vec total = {};
        r.for_each_pixel([&](int p) { total += at(px + from + p); });
        at(py + to) = total * r.share();
      });
    }
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float>, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < dy.samples; ++n) {
      const float* pdy = base::sample(dy, n);
      float* pdx = base::sample(dx, n);
      if (!adds.input) std::memset(pdx, 0, sizeof(float) * std::size_t(basic_cpu<Block>::sample_elements(dx)));
      base::for_each_window([&](std::ptrdiff_t from, std::ptrdiff_t to, const auto& r) {
        const vec share = at(pdy + to) * r.share();
        r.for_each_pixel([&](int p) { at(pdx + from + p) += share; });
      });
    }
  }
};

}  // namespace firecaffe
