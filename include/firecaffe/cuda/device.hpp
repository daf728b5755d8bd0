#pragma once

#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include <limits>

#include "../core/implementation.hpp"
#include "feed.hpp"
#include "memory.hpp"
#include "sums.hpp"
#include "transfers.hpp"

namespace firecaffe {

// Whether matrix products and convolutions may round their factors to TF32's 10 bits for the tensor cores.
enum class cuda_math { fp32, tf32 };

// Pairs of layers done in one pass; the kernels' headers add to it.
template <class Layer, class Next>
constexpr bool cuda_fuses = false;

// One NVIDIA device: convolution by cuDNN, matrices by cuBLAS, functors through Thrust, sums by kernels over CUB, all
// on one stream. Calls return before the work is done, but for download and synchronize. An object belongs to one
// thread at a time and leaves the thread's current device as it found it; a copy has handles and scratch (and, where it
// was not the user's, a stream) of its own.
//
// Values lie channels-last, (N, H, W, C), which is what cuDNN's kernels for the tensor cores read without transposing
// first. C is rounded up to 4, for images too: those kernels, and our own, move 16 bytes at a time. A branch of concat
// is a range of columns; it keeps that alignment where it starts at a multiple of 4 and ends at one or with the whole.
//
// With equal sizes, device model and library versions a run repeats to the bit where cuDNN offers a deterministic
// algorithm, which is then chosen.
class cuda_device {
 public:
  using scalar = float;
  template <class T>
  using memory = device_memory<T>;
  template <class T>
  using host_memory = pinned_memory<T>;
  struct transfers : cuda_transfers {
    transfers(cuda_device& device, std::size_t tickets) : cuda_transfers(device.ordinal(), device.stream(), tickets) {}
  };
  static constexpr std::size_t alignment = 32;  // elements: one cache line
  static constexpr bool host_memory_is_device_memory = false;
  static constexpr bool slices_are_whole = false;  // a slice has other channels between its pixels

  // `stream` null: one of its own. Throws usage_error where there is no such device.
  cuda_device(int ordinal, cudaStream_t stream, cuda_math math)
      : state_(std::make_unique<state>(ordinal, stream, math)) {}
  cuda_device(cuda_device&&) noexcept = default;
  cuda_device& operator=(cuda_device&&) noexcept = default;
  cuda_device(const cuda_device& o)
      : cuda_device(o.ordinal(), o.state_->owns_stream ? nullptr : o.stream(), o.math()) {}
  cuda_device& operator=(const cuda_device& o) { return *this = cuda_device(o); }

  static int devices() noexcept {
    int n = 0;
    if (cudaGetDeviceCount(&n) == cudaSuccess) return n;
    cudaGetLastError();
    return 0;
  }
  static bool available() noexcept { return devices() > 0; }

  int ordinal() const { return state_->ordinal; }
  cudaStream_t stream() const { return state_->stream; }
  cuda_math math() const { return state_->math; }

  static constexpr layout value_layout(shape s) {
    return blocked_layout(s, s.channels > 0 ? padded_channels(s.channels) : quad);
  }
  static constexpr bool can_slice(shape whole, int first, shape part) {
    return first % quad == 0 && (part.channels % quad == 0 || first + part.channels == whole.channels);
  }
  template <class Layer, class Next>
  static constexpr bool fuses = cuda_fuses<Layer, Next>;

  template <class T>
  memory<T> allocate(std::size_t count) {
    return memory<T>(count, ordinal(), stream());
  }
  // `from` may be changed as soon as this returns.
  template <class T>
  void upload(T* to, const T* from, std::size_t count) {
    const device_scope scope(ordinal());
    state_->to_device.send(to, from, count * sizeof(T), ordinal(), stream());
  }
  template <class T>
  void download(T* to, const T* from, std::size_t count) {
    if (count == 0) return;
    const device_scope scope(ordinal());
    check_status(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDeviceToHost, stream()),
                 "cudaMemcpyAsync to the host", ordinal());
    synchronize();
  }
  void synchronize() { check_status(cudaStreamSynchronize(stream()), "cudaStreamSynchronize", ordinal()); }

  // Canonical (N, C, H, W) on the host to a value and back. The padding of `to` becomes zero. Loading is copied ahead,
  // while the device works on what it was asked for before, and page-locked memory (cudaMallocHost, cudaHostRegister)
  // without a second copy on the host; `canonical` may be changed as soon as `load` returns.
  template <class U>
  void load(tensor_view<float> to, const U* canonical) {
    const std::size_t count = std::size_t(to.samples) * std::size_t(to.extents.elements());
    if (count == 0) return;
    const device_scope scope(ordinal());
    const U* raw = static_cast<U*>(state_->inputs.send(canonical, count * sizeof(U), ordinal(), stream()));
    const auto columns = std::uint32_t(padded_channels(to.extents.channels));
    launch(row_count(to) * columns,
           from_canonical<U>{writable(to), raw, columns, to.extents.channels, to.extents.pixels()});
    state_->inputs.consumed(ordinal(), stream());
  }
  template <class U>
  void store(U* canonical, tensor_view<const float> from) {
    const std::size_t count = std::size_t(from.samples) * std::size_t(from.extents.elements());
    U* raw = static_cast<U*>(scratch(count * sizeof(U)));
    launch(std::int64_t(count), to_canonical<U>{raw, readable(from), from.extents.channels, from.extents.pixels()});
    download(canonical, raw, count);
  }

  // f(i) for i in [0, count)
  template <class F>
  void for_each(std::size_t count, F f) {
    run(thrust::counting_iterator<std::size_t>(0), count, f);
  }

  // out = f(in...) element by element; all have one shape, and differ at most in their strides.
  template <class F, class... In>
  void transform(tensor_view<float> out, F f, In... in) {
    const bool clears = !F::preserves_zero && out.extents.channels % quad != 0;
    const transform_quads<F, int(sizeof...(In))> all{
        writable(out),
        {readable(in)...},
        indices(out.extents, !clears && packed(out) && (packed(in) && ...)),
        out.extents.channels,
        clears,
        f};
    launch(quads(out), all);
  }

  // out = f(sample, element, in...), with elements counted in canonical (C, H, W) order.
  template <class F, class... In>
  void transform_indexed(tensor_view<float> out, F f, In... in) {
    const transform_quads_indexed<F, int(sizeof...(In))> all{
        writable(out), {readable(in)...}, indices(out.extents, false), out.extents.channels, out.extents.pixels(), f};
    launch(quads(out), all);
  }

  void copy(tensor_view<float> out, tensor_view<const float> in) { transform(out, value_of_pointwise<identity>{}, in); }

  // `count` channels of `in` from `from` on go to those of `out` from `to` on.
  void copy_channels(tensor_view<float> out, int to, tensor_view<const float> in, int from, int count, bool add) {
    const bool last = to + count == out.extents.channels;
    const int columns = !add && last ? padded_channels(out.extents.channels) - to : count;
    copy_rows({out.data + to, out.strides.pixel}, {in.data + from, in.strides.pixel}, row_count(out), count, columns,
              add);
  }
  void copy_rows(rows to, const_rows from, std::int64_t count, int channels, int columns, bool add) {
    launch(count * columns, copy_columns{to, from, std::uint32_t(columns), channels, add});
  }

  // *sum = f(a, b) added up over all elements; f(0, 0) must be 0. The order is fixed.
  template <class F>
  void reduce(double* sum, F f, tensor_view<const float> a, tensor_view<const float> b) {
    constexpr std::int64_t most = 1 << 16;
    const std::int64_t n = quads(a), parts = n < most ? n : most;
    auto* partial = static_cast<double*>(scratch(std::size_t(parts) * sizeof(double)));
    launch(parts, reduce_quads<F>{readable(a), readable(b), indices(a.extents, packed(a) && packed(b)),
                                  std::uint32_t(n), std::uint32_t(parts), partial, f});
    add_up(partial, parts, sum);
  }
  // *sum = the sum of `count` numbers of the device.
  void add_up(const double* values, std::int64_t count, double* sum) {
    const device_scope scope(ordinal());
    sum_all<<<1, sum_threads, 0, stream()>>>(values, std::uint32_t(count), sum);
    check_status(cudaGetLastError(), "sum_all", ordinal());
  }

  // C = op(A) op(B) + beta C, row-major; C is (m, n), the inner extent k. cuBLAS counts by columns: it computes C^T.
  void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, std::ptrdiff_t lda, const float* b,
            std::ptrdiff_t ldb, float beta, float* c, std::ptrdiff_t ldc) {
    if (m == 0 || n == 0) return;
    const device_scope scope(ordinal());
    if (k == 0 && beta == 0) {
      check_status(cudaMemset2DAsync(c, std::size_t(ldc) * sizeof(float), 0, std::size_t(n) * sizeof(float),
                                     std::size_t(m), stream()),
                   "cudaMemset2DAsync", ordinal());
    } else if (k > 0) {
      const float one = 1;
      check_status(
          cublasSgemm(state_->blas, transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, n,
                      m, k, &one, b, int(ldb), a, int(lda), &beta, c, int(ldc)),
          "cublasSgemm", ordinal());
    }
  }

  // y = activation(y + bias); a null bias is none.
  template <class Activation>
  void bias_forward(tensor_view<float> y, const float* bias) {
    bias_forward<Activation>(readable(y), y, bias);
  }
  // The same, from another place.
  template <class Activation>
  void bias_forward(const_rows from, tensor_view<float> y, const float* bias) {
    const bool pads = y.extents.channels % quad != 0;
    if (std::is_same_v<Activation, identity> && !bias && !pads && from.data == y.data) return;
    launch(quads(y), bias_quads<Activation>{writable(y), from, indices(y.extents, false), y.extents.channels, bias});
  }

  // dy *= slope(y), its padding zero; then bias (+)= the sum of dy over samples and pixels; a null bias is none.
  template <class Activation>
  void bias_backward(tensor_view<const float> y, tensor_view<float> dy, float* bias, bool add) {
    const bool changes = !std::is_same_v<Activation, identity> || dy.extents.channels % quad != 0;
    bias_backward<Activation>(y, readable(dy), changes ? writable(dy) : rows{}, bias, add);
  }
  // The same, with the product going elsewhere, or nowhere where `masked` is null.
  template <class Activation>
  void bias_backward(tensor_view<const float> y, const_rows dy, rows masked, float* bias, bool add) {
    if (!masked.data && !bias) return;
    const device_scope scope(ordinal());
    const std::int64_t count = row_count(y), most = 256, wanted = (count + 8 * tile_rows - 1) / (8 * tile_rows);
    const int channels = y.extents.channels, columns = padded_channels(channels),
              parts = int(wanted < most ? wanted : most);
    const dim3 block(tile_columns, tile_rows);
    const auto tiles = unsigned((columns + tile_columns - 1) / tile_columns);
    auto* partial =
        bias ? static_cast<float*>(state_->sums(std::size_t(most) * std::size_t(columns) * sizeof(float))) : nullptr;
    if (parts > 0) {
      mask_and_sum<Activation><<<dim3(tiles, unsigned(parts)), block, 0, stream()>>>(readable(y), dy, masked, count,
                                                                                     channels, columns, partial);
      check_status(cudaGetLastError(), "mask_and_sum", ordinal());
    }
    if (!bias) return;
    sum_partial<<<tiles, block, 0, stream()>>>(partial, parts, channels, columns, bias, add);
    check_status(cudaGetLastError(), "sum_partial", ordinal());
  }

  // What the kernels' headers build on.

  // f(i) for i in [0, count), with 32-bit indices.
  template <class F>
  void launch(std::int64_t count, F f) {
    if (count > std::int64_t{std::numeric_limits<std::uint32_t>::max()})
      throw usage_error("cuda: a value of more than 2^32 elements: make the batch smaller");
    run(thrust::counting_iterator<std::uint32_t>(0), std::uint32_t(count), f);
  }

  static rows writable(tensor_view<float> v) { return {v.data, v.strides.pixel}; }
  static const_rows readable(tensor_view<const float> v) { return {v.data, v.strides.pixel}; }
  static std::int64_t row_count(tensor_view<const float> v) { return std::int64_t{v.samples} * v.extents.pixels(); }
  static std::int64_t quads(tensor_view<const float> v) {
    return row_count(v) * (padded_channels(v.extents.channels) / quad);
  }
  static bool packed(tensor_view<const float> v) { return v.strides.pixel == padded_channels(v.extents.channels); }
  static quad_indices indices(shape s, bool flat) { return {std::uint32_t(padded_channels(s.channels) / quad), flat}; }

  // Memory whose contents last until the next op: at least `bytes`, from the largest request so far. One that needs
  // more allocates, which an op does not do if its constructor asked for as much.
  void* scratch(std::size_t bytes) { return state_->scratch(bytes); }

  // Made when the first convolution asks for it.
  cudnnHandle_t cudnn() {
    const device_scope scope(ordinal());
    if (!state_->dnn) {
      check_status(cudnnCreate(&state_->dnn), "cudnnCreate", ordinal());
      check_status(cudnnSetStream(state_->dnn, stream()), "cudnnSetStream", ordinal());
    }
    return state_->dnn;
  }

 private:
  struct state {
    int ordinal;
    cuda_math math;
    bool owns_stream = false;
    cudaStream_t stream = nullptr;
    cublasHandle_t blas = nullptr;
    cudnnHandle_t dnn = nullptr;
    device_memory<char> blas_space, scratch_space, sum_space;
    staging to_device;
    input_feed inputs;

    state(int device, cudaStream_t users, cuda_math m) : ordinal(device), math(m), stream(users) {
      int n = 0;
      const cudaError_t status = cudaGetDeviceCount(&n);
      if (status != cudaSuccess || n == 0) {
        cudaGetLastError();
        throw usage_error(std::string("cuda: this machine has no NVIDIA device that can be used (") +
                          (status != cudaSuccess ? cudaGetErrorString(status) : "none found") +
                          "); fc::cpu needs none");
      }
      if (device < 0 || device >= n)
        throw usage_error("cuda: there is no device " + std::to_string(device) + ", this machine has " +
                          std::to_string(n));
      try {
        open();
      } catch (...) {
        close();
        throw;
      }
    }
    ~state() { close(); }
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    void open() {
      const device_scope scope(ordinal);
      if (!stream) {
        check_status(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate", ordinal);
        owns_stream = true;
      }
      check_status(cublasCreate(&blas), "cublasCreate", ordinal);
      check_status(cublasSetStream(blas, stream), "cublasSetStream", ordinal);
      check_status(cublasSetMathMode(blas, math == cuda_math::tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH),
                   "cublasSetMathMode", ordinal);
      // cuBLAS repeats its results only where its workspace does not change; 32 MiB is what it takes on Hopper.
      blas_space = device_memory<char>(std::size_t{32} << 20, ordinal, stream);
      check_status(cublasSetWorkspace(blas, blas_space.data(), blas_space.bytes()), "cublasSetWorkspace", ordinal);
    }

    void close() noexcept {
      int before = 0;
      const bool switched = cudaGetDevice(&before) == cudaSuccess && cudaSetDevice(ordinal) == cudaSuccess;
      if (stream) cudaStreamSynchronize(stream);
      if (dnn) cudnnDestroy(dnn);
      if (blas) cublasDestroy(blas);
      if (owns_stream) cudaStreamDestroy(stream);
      if (switched) cudaSetDevice(before);
    }

    void* scratch(std::size_t bytes) { return at_least(scratch_space, bytes); }
    void* sums(std::size_t bytes) { return at_least(sum_space, bytes); }
    void* at_least(device_memory<char>& space, std::size_t bytes) {
      if (bytes > space.bytes()) {
        space = {};  // freed first: the two need not fit together
        space = device_memory<char>(bytes, ordinal, stream);
      }
      return space.data();
    }
  };

  template <class Index, class Count, class F>
  void run(Index first, Count count, F f) {
    if (count == 0) return;
    const device_scope scope(ordinal());
    try {
      thrust::for_each_n(thrust::cuda::par_nosync.on(stream()), first, count, f);
    } catch (const std::runtime_error& e) {  // thrust::system_error
      throw_cuda_error("thrust::for_each_n", e.what(), ordinal());
    }
  }

  std::unique_ptr<state> state_;
};

// The device as networks are written for it: `cuda` computes in single precision throughout, `cuda_tf32` lets the
// tensor cores round the factors of its products, which are then off by 1e-3 of their size, to be several times faster.
template <cuda_math Math>
class basic_cuda : public cuda_device {
 public:
  static constexpr const char* name = Math == cuda_math::tf32 ? "cuda_tf32" : "cuda";

  explicit basic_cuda(int ordinal = 0, cudaStream_t stream = nullptr) : cuda_device(ordinal, stream, Math) {}

  // The ranks of a node take its devices in turn. The host does nothing that would want several threads.
  static basic_cuda for_rank(int node_rank, int /*node_size*/, int /*threads*/) {
    const int n = devices();
    return basic_cuda(n > 0 ? node_rank % n : 0);
  }
};
using cuda = basic_cuda<cuda_math::fp32>;
using cuda_tf32 = basic_cuda<cuda_math::tf32>;

}  // namespace firecaffe
