#pragma once

#include "../layers/pool.hpp"
#include "device.hpp"
#include "vector.hpp"

namespace firecaffe {

// Pooling over whole channel blocks: each step of the window is one vector operation, the window's size and the plane's
// are known to the compiler, and padding costs a comparison of constants.
template <int Block, class Layer, place In, place Out>
struct cpu_pool {
  static constexpr shape in = In.extents, out = Out.extents;
  static constexpr window slide = Layer::slide(In.extents);
  static constexpr int lanes = In.strides.block;
  static constexpr int blocks = (In.extents.channels + lanes - 1) / lanes;

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

  // Calls f(block of x, block of y, output pixel, rows, columns) for every window of a sample.
  template <class F>
  static void for_each_window(F f) {
    for (int b = 0; b < blocks; ++b)
      for (int h = 0; h < out.height; ++h) {
        const range rows = clip(h, slide.kernel_h, slide.stride_h, slide.pad_h, in.height);
        for (int w = 0; w < out.width; ++w)
          f(b * in.pixels() * lanes, (b * out.pixels() + h * out.width + w) * lanes, rows,
            clip(w, slide.kernel_w, slide.stride_w, slide.pad_w, in.width));
      }
  }

  template <class View>
  static auto* sample(View v, int n) {
    return v.data + n * v.strides.sample;
  }
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, max_pool<Options...>, In, Out>
    : cpu_pool<Block, max_pool<Options...>, In, Out> {
  using base = cpu_pool<Block, max_pool<Options...>, In, Out>;
  using base::base, base::lanes, base::in, base::at;
  using vec = typename base::vec;
  using range = typename base::range;

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < x.samples; ++n) {
      const float* px = base::sample(x, n);
      float* py = base::sample(y, n);
      base::for_each_window([&](int from, int to, range rows, range columns) {
        vec best = at(px + from + (rows.first * in.width + columns.first) * lanes);
        for (int h = rows.first; h < rows.last; ++h)
          for (int w = columns.first; w < columns.last; ++w) {
            const vec here = at(px + from + (h * in.width + w) * lanes);
            best = here > best ? here : best;
          }
        at(py + to) = best;
      });
    }
  }

  // The first element equal to the maximum takes the gradient.
  void backward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<const float> y, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    constexpr bool covers = base::slide.stride_h == base::slide.kernel_h &&
                            base::slide.stride_w == base::slide.kernel_w && base::slide.pad_h == 0 &&
                            base::slide.pad_w == 0 && base::out.height * base::slide.stride_h == in.height &&
                            base::out.width * base::slide.stride_w == in.width;
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < x.samples; ++n) {
      const float *px = base::sample(x, n), *py = base::sample(y, n), *pdy = base::sample(dy, n);
      float* pdx = base::sample(dx, n);
      const bool writes = covers && !adds.input;  // every element is in exactly one window
      if (!writes && !adds.input)
        std::memset(pdx, 0, sizeof(float) * std::size_t(basic_cpu<Block>::sample_elements(dx)));
      base::for_each_window([&](int from, int to, range rows, range columns) {
        const vec best = at(py + to);
        vec left = at(pdy + to);
        for (int h = rows.first; h < rows.last; ++h)
          for (int w = columns.first; w < columns.last; ++w) {
            float* share_of = pdx + from + (h * in.width + w) * lanes;
            const auto won = at(px + from + (h * in.width + w) * lanes) == best;
            const vec share = won ? left : vec{};
            left = won ? vec{} : left;
            at(share_of) = writes ? share : share + at(share_of);
          }
      });
    }
  }
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, avg_pool<Options...>, In, Out>
    : cpu_pool<Block, avg_pool<Options...>, In, Out> {
  using base = cpu_pool<Block, avg_pool<Options...>, In, Out>;
  using base::base, base::lanes, base::in, base::at;
  using vec = typename base::vec;
  using range = typename base::range;

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
#pragma omp parallel for num_threads(device.threads()) if (device.threads() > 1)
    for (int n = 0; n < x.samples; ++n) {
      const float* px = base::sample(x, n);
      float* py = base::sample(y, n);
      base::for_each_window([&](int from, int to, range rows, range columns) {
        vec total = {};
        for (int h = rows.first; h < rows.last; ++h)
          for (int w = columns.first; w < columns.last; ++w) total += at(px + from + (h * in.width + w) * lanes);
        at(py + to) = total * (1.0f / float(rows.size * columns.size));
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
      base::for_each_window([&](int from, int to, range rows, range columns) {
        const vec share = at(pdy + to) * (1.0f / float(rows.size * columns.size));
        for (int h = rows.first; h < rows.last; ++h)
          for (int w = columns.first; w < columns.last; ++w) {
            float* share_of = pdx + from + (h * in.width + w) * lanes;
            at(share_of) += share;
          }
      });
    }
  }
};

}  // namespace firecaffe
