#pragma once

#include <cstdint>

#include "../core/error.hpp"
#include "../core/implementation.hpp"
#include "gemm.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace firecaffe {

#if defined(__AVX512F__)
constexpr int native_block = 16;
#else
constexpr int native_block = 8;
#endif

// Pairs of layers done in one pass, and layers that keep what they need going back; the kernels' headers add to them.
template <class Layer, class Next>
constexpr bool cpu_fuses = false;
template <class Layer>
constexpr bool cpu_remembers = false;

// The CPU: convolution by oneDNN or by kernels for narrow layers, matrices by the BLAS, everything else by loops of our
// own. Values lie in channel blocks, (N, C/Block, H, W, Block), the last block padded with zeros; up to four channels
// (an image) lie as (N, C, H, W). Both are what oneDNN wants, and a branch of concat is one piece of memory in each
// sample.
template <int Block>
class basic_cpu {
 public:
  using scalar = float;
  using value = float;
  template <class T>
  using memory = aligned_memory<T>;
  static constexpr const char* name = "cpu";
  static constexpr int block = Block;
  static constexpr std::size_t alignment = 16;  // elements: one cache line
  static constexpr bool host_memory_is_device_memory = true;
  static constexpr bool slices_are_whole = true;  // a slice is contiguous within a sample
  static constexpr bool fuses_sums = true;        // with the pointwise layer behind them

  // `threads` 0: as many as there are cores this process may use.
  explicit basic_cpu(int threads = 0) : threads_(threads > 0 ? threads : available_cores()) {
    if (threads < 0) throw usage_error("cpu: threads must not be negative");
    one_blas_thread();
  }
  int threads() const { return threads_; }
  scratch_memory& scratch() { return scratch_; }

  // For one of `node_size` ranks of a node: `threads`, or the rank's share of the cores, or fewer where its launcher
  // bound it to fewer.
  static basic_cpu for_rank(int, int node_size, int threads) {
    if (threads > 0) return basic_cpu(threads);
    const int share = online_cores() / node_size, own = available_cores();
    return basic_cpu(share < 1 ? 1 : share < own ? share : own);
  }

  static constexpr layout value_layout(shape s) { return blocked_layout(s, s.channels <= 4 ? 1 : Block); }
  static constexpr bool can_slice(shape whole, int first, shape part) {
    return whole.channels <= 4 || (first % Block == 0 && part.channels % Block == 0);
  }
  template <class Layer, class Next>
  static constexpr bool fuses = cpu_fuses<Layer, Next>;
  template <class Layer>
  static constexpr bool remembers = cpu_remembers<Layer>;

  template <class T>
  memory<T> allocate(std::size_t count) {
    return memory<T>(count);
  }
  template <class T>
  void upload(T* to, const T* from, std::size_t count) {
    if (count > 0) std::memcpy(to, from, count * sizeof(T));
  }
  template <class T>
  void download(T* to, const T* from, std::size_t count) {
    upload(to, from, count);
  }
  void synchronize() {}

  // Canonical (N, C, H, W) on the host to a value and back. The padding of `to` becomes zero.
  template <class U>
  void load(tensor_view<float> to, const U* canonical) {
    const shape s = to.extents;
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int n = 0; n < to.samples; ++n) {
      clear_padding(to, n);
      for (int c = 0; c < s.channels; ++c) {
        const U* from = canonical + n * s.elements() + std::int64_t{c} * s.pixels();
        float* out = &to(n, c, 0);
        for (int p = 0; p < s.pixels(); ++p) out[p * to.strides.pixel] = static_cast<float>(from[p]);
      }
    }
  }
  template <class U>
  void store(U* canonical, tensor_view<const float> from) {
    const shape s = from.extents;
    for (int n = 0; n < from.samples; ++n)
      for (int c = 0; c < s.channels; ++c)
        for (int p = 0; p < s.pixels(); ++p) *canonical++ = static_cast<U>(from(n, c, p));
  }

  // f(i) for i in [0, count). An `f` with F::loops has loops of its own: it is not made into vector code.
  template <class F>
  void for_each(std::size_t count, F f) {
    const auto n = std::int64_t(count);
    if constexpr (requires { F::loops; }) {
#pragma omp parallel for firstprivate(f) num_threads(threads_) if (threads_ > 1)
      for (std::int64_t i = 0; i < n; ++i) f(std::size_t(i));
    } else {
#pragma omp parallel for simd firstprivate(f) num_threads(threads_) if (parallel : threads_ > 1)
      for (std::int64_t i = 0; i < n; ++i) f(std::size_t(i));
    }
  }

  // out = f(in...) element by element; all have one shape, and differ at most in their sample stride.
  template <class F, class... In>
  void transform(tensor_view<float> out, F f, In... in) {
    const std::int64_t run = sample_elements(out);
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int n = 0; n < out.samples; ++n) {
      transform_run(out.data + n * out.strides.sample, run, f, (in.data + n * in.strides.sample)...);
      if (!F::preserves_zero) clear_padding(out, n);
    }
  }

  // out = f(sample, element, in...), with elements counted in canonical (C, H, W) order.
  template <class F, class... In>
  void transform_indexed(tensor_view<float> out, F f, In... in) {
    const shape s = out.extents;
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int n = 0; n < out.samples; ++n)
      for (int c = 0; c < s.channels; ++c)
        for (int p = 0; p < s.pixels(); ++p) out(n, c, p) = f(n, c * s.pixels() + p, in(n, c, p)...);
    if (s.channels % out.strides.block != 0)
      for (int n = 0; n < out.samples; ++n) clear_padding(out, n);
  }

  void copy(tensor_view<float> out, tensor_view<const float> in) {
    const std::size_t bytes = std::size_t(sample_elements(out)) * sizeof(float);
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int n = 0; n < out.samples; ++n)
      std::memcpy(out.data + n * out.strides.sample, in.data + n * in.strides.sample, bytes);
  }

  // `count` channels of `in` from `from` on go to those of `out` from `to` on.
  void copy_channels(tensor_view<float> out, int to, tensor_view<const float> in, int from, int count, bool add) {
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int n = 0; n < out.samples; ++n) {
      if (!add && to + count == out.extents.channels) clear_padding(out, n);
      for (int c = 0; c < count; ++c)
        for (int p = 0; p < out.extents.pixels(); ++p)
          out(n, to + c, p) = in(n, from + c, p) + (add ? out(n, to + c, p) : 0.0f);
    }
  }

  // *sum = f(a, b) added up over all elements; f(0, 0) must be 0. The order is fixed: `lanes` sums side by side.
  template <class F>
  void reduce(double* sum, F f, tensor_view<const float> a, tensor_view<const float> b) {
    constexpr int lanes = 32;
    const std::int64_t run = sample_elements(a);
    double part[lanes] = {};
    for (int n = 0; n < a.samples; ++n) {
      const float *pa = a.data + n * a.strides.sample, *pb = b.data + n * b.strides.sample;
      std::int64_t i = 0;
      for (; i + lanes <= run; i += lanes)
#pragma omp simd
        for (int lane = 0; lane < lanes; ++lane) part[lane] += f(pa[i + lane], pb[i + lane]);
      for (int lane = 0; i + lane < run; ++lane) part[lane] += f(pa[i + lane], pb[i + lane]);
    }
    double total = 0;
    for (const double p : part) total += p;
    *sum = total;
  }

  // C = op(A) op(B) + beta C, row-major; C is (m, n), the inner extent k.
  void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, std::ptrdiff_t lda, const float* b,
            std::ptrdiff_t ldb, float beta, float* c, std::ptrdiff_t ldc) {
    if (m == 0 || n == 0) return;
    const int parts = threads_ > 1 && std::int64_t{m} * n * k > 100000 ? threads_ : 1;
    const bool rows = m >= n;
    const thread_scope alone(1);
    bool done = true;
#pragma omp parallel for num_threads(parts) if (parts > 1) schedule(static, 1) reduction(&& : done)
    for (int part = 0; part < parts; ++part) {
      const int extent = rows ? m : n, first = extent * part / parts, count = extent * (part + 1) / parts - first;
      if (count == 0) continue;
      const float* pa = rows ? a + (transpose_a ? first : first * lda) : a;
      const float* pb = rows ? b : b + (transpose_b ? first * ldb : first);
      float* pc = rows ? c + first * ldc : c + first;
      if (k > 0)
        done = done && gemm_on_this_thread<Block>(transpose_a, transpose_b, rows ? count : m, rows ? n : count, k, pa,
                                                  lda, pb, ldb, beta, pc, ldc);
      else
        for (int i = 0; i < (rows ? count : m); ++i)
          for (int j = 0; j < (rows ? n : count); ++j) pc[i * ldc + j] = beta == 0 ? 0 : beta * pc[i * ldc + j];
    }
    if (!done) throw error("cpu: oneDNN has no memory for a product of matrices");
  }

  // y = activation(y + bias) on (N, C, 1, 1); a null bias is none.
  template <class Activation>
  void bias_forward(tensor_view<float> y, const float* bias) {
    const int channels = y.extents.channels;
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int n = 0; n < y.samples; ++n) {
      float* row = y.data + n * y.strides.sample;
#pragma omp simd
      for (int c = 0; c < channels; ++c) row[c] = Activation::value(row[c] + (bias ? bias[c] : 0.0f));
      clear_padding(y, n);
    }
  }

  // dy *= slope(y), then bias (+)= the sum of dy over the samples; a null bias is none.
  template <class Activation>
  void bias_backward(tensor_view<const float> y, tensor_view<float> dy, float* bias, bool add) {
    const int channels = y.extents.channels;
    if (bias && !add) std::memset(bias, 0, std::size_t(channels) * sizeof(float));
    for (int n = 0; n < y.samples; ++n) {
      const float* py = y.data + n * y.strides.sample;
      float* pd = dy.data + n * dy.strides.sample;
#pragma omp simd
      for (int c = 0; c < channels; ++c) pd[c] *= Activation::slope(py[c]);
      if (!bias) continue;
#pragma omp simd
      for (int c = 0; c < channels; ++c) bias[c] += pd[c];
    }
  }

  // Elements a sample occupies, padding included.
  template <class T>
  static std::int64_t sample_elements(tensor_view<T> v) {
    const int blocks = (v.extents.channels + v.strides.block - 1) / v.strides.block;
    return std::int64_t{blocks} * v.strides.block * v.extents.pixels();
  }

  static void clear_padding(tensor_view<float> v, int n) {
    const int used = v.extents.channels % v.strides.block;
    if (used == 0) return;
    float* last = &v(n, v.extents.channels - used, 0);
    for (int p = 0; p < v.extents.pixels(); ++p)
      for (int lane = used; lane < v.strides.block; ++lane) last[p * v.strides.pixel + lane] = 0;
  }

 private:
  template <class F, class... In>
  static void transform_run(float* out, std::int64_t run, F f, const In*... in) {
    // No dependence: `out` is disjoint from each input, or is that input.
#pragma omp simd
    for (std::int64_t i = 0; i < run; ++i) out[i] = f(in[i]...);
  }

  int threads_;
  scratch_memory scratch_;
};

using cpu = basic_cpu<native_block>;

}  // namespace firecaffe
