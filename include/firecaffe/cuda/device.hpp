#pragma once

#include <cstdint>
#include <limits>

#include "../core/implementation.hpp"
#include "../layers/activations.hpp"
#include "page_locks.hpp"
#include "resources.hpp"
#include "sums.hpp"
#include "transfers.hpp"

namespace firecaffe {

class cuda_marks;
class cuda_recorder;
class cuda_summing_memory;

// Pairs of layers done in one pass, and layers that keep what they need going back; the kernels' headers add to them.
template <class Layer, class Next>
constexpr bool cuda_fuses = false;
template <class Layer>
constexpr bool cuda_remembers = false;

// One NVIDIA device: convolution by cuDNN, matrices (and convolution of single pixels) by cuBLASLt, functors through
// Thrust, sums by kernels over CUB, all on one stream. Calls return before the work is done, but for download and
// synchronize. An object belongs to one thread at a time and leaves the thread's current device as it found it; a copy
// has handles and scratch (and, where it was not the user's, a stream) of its own.
//
// Values lie channels-last, (N, H, W, C), which is what cuDNN's kernels for the tensor cores read without transposing
// first. C is rounded up to 16 bytes, for images too: those kernels, and our own, move as much at a time. A branch of
// concat is a range of columns; it keeps that alignment where it starts at such a border and ends at one or with the
// whole.
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
  using marks = cuda_marks;
  using page_locks = cuda_page_locks;
  using recorder = cuda_recorder;
  using summing_memory = cuda_summing_memory;
  using scope = device_scope;
  static constexpr std::size_t alignment = 32;  // elements: one cache line
  static constexpr bool host_memory_is_device_memory = false;
  static constexpr bool slices_are_whole = false;  // a slice has other channels between its pixels
  static constexpr bool fuses_sums = true;         // with the pointwise layer behind them

  // `stream` null: one of its own. Throws usage_error where there is no such device.
  cuda_device(int ordinal, cudaStream_t stream, cuda_policy policy)
      : state_(std::make_unique<cuda_resources>(ordinal, stream, policy)) {}
  cuda_device(cuda_device&&) noexcept = default;
  cuda_device& operator=(cuda_device&&) noexcept = default;
  cuda_device(const cuda_device& o)
      : cuda_device(o.ordinal(), o.state_->main->owns_stream() ? nullptr : o.stream(), o.policy()) {}
  cuda_device& operator=(const cuda_device& o) { return *this = cuda_device(o); }

  static int devices() noexcept { return device_count(); }
  static bool available() noexcept { return devices() > 0; }
  static int ordinal_of(int node_rank) noexcept { return firecaffe::ordinal_of(node_rank); }

  int ordinal() const { return state_->ordinal; }
  cudaStream_t stream() const { return state_->lane->stream(); }
  cuda_policy policy() const { return state_->policy; }

  template <class Layer, class Next>
  static constexpr bool fuses = cuda_fuses<Layer, Next>;
  template <class Layer>
  static constexpr bool remembers = cuda_remembers<Layer>;

  template <class T>
  memory<T> allocate(std::size_t count) {
    return memory<T>(count, ordinal(), stream());
  }
  template <class T>
  host_memory<T> allocate_host(std::size_t count) {
    const device_scope scope(ordinal());
    return host_memory<T>(count);
  }
  // `from` may be changed as soon as this returns.
  template <class T>
  void upload(T* to, const T* from, std::size_t count) {
    const std::size_t bytes = count * sizeof(T), words = bytes / sizeof(std::uint32_t);
    const device_scope scope(ordinal());
    if (bytes == 0) return;
    if (alignof(T) % sizeof(std::uint32_t) != 0 || words > most_argument_words)
      state_->to_device.send(to, from, bytes, ordinal(), stream());
    else
      launch_with_words(0, do_nothing{}, to, from, words, stream(), ordinal());
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
  // without a second copy on the host; `canonical` may be changed as soon as `load` returns. `words` become
  // `new_words`, as upload has it, in the same go where they are not too many.
  template <class V, class U>
  void load(tensor_view<V> to, const U* canonical, std::int32_t* words = nullptr,
            const std::int32_t* new_words = nullptr, std::size_t word_count = 0) {
    const std::size_t count = std::size_t(to.samples) * std::size_t(to.extents.elements());
    if (count == 0 || word_count > most_argument_words) upload(words, new_words, word_count), word_count = 0;
    if (count == 0) return;
    const device_scope scope(ordinal());
    const U* raw = static_cast<U*>(state_->inputs.send(canonical, count * sizeof(U), ordinal(), stream()));
    const from_canonical<V, U> take{writable(to), raw, per_row<V>(to.extents), to.extents.channels,
                                    to.extents.pixels()};
    launch_with_words(index_below(packs(to)), take, words, new_words, word_count, stream(), ordinal());
    state_->inputs.consumed(ordinal(), stream());
  }
  template <class U, class V>
  void store(U* canonical, tensor_view<const V> from) {
    const std::size_t count = std::size_t(from.samples) * std::size_t(from.extents.elements());
    U* raw = static_cast<U*>(scratch(count * sizeof(U)));
    launch(std::int64_t(count), to_canonical<V, U>{raw, readable(from), from.extents.channels, from.extents.pixels()});
    download(canonical, raw, count);
  }

  // f(i) for i in [0, count)
  template <class F>
  void for_each(std::size_t count, F f) {
    for_each_index(count, f, stream(), ordinal());
  }

  // out = f(in...) element by element; all have one shape, and differ at most in their strides and element types.
  template <class V, class F, class... In>
  void transform(tensor_view<V> out, F f, In... in) {
    const bool clears = !F::preserves_zero && out.extents.channels % lanes<V> != 0;
    const bool flat = !clears && packed<V>(out) && (packed<V>(in) && ...);
    const transform_packs<F, V, element_of<In>...> all{writable(out),
                                                       {{in.data, in.strides.pixel}...},
                                                       indices<V>(out.extents, flat),
                                                       out.extents.channels,
                                                       clears,
                                                       f};
    for_each_index(index_below(packs(out)), all, stream(), ordinal());
  }

  // out = f(sample, element, in...), with elements counted in canonical (C, H, W) order.
  template <class V, class F, class... In>
  void transform_indexed(tensor_view<V> out, F f, In... in) {
    const transform_packs_indexed<F, V, element_of<In>...> all{writable(out),
                                                               {{in.data, in.strides.pixel}...},
                                                               indices<V>(out.extents, false),
                                                               out.extents.channels,
                                                               out.extents.pixels(),
                                                               f};
    for_each_index(index_below(packs(out)), all, stream(), ordinal());
  }

  template <class V>
  void copy(tensor_view<V> out, tensor_view<const V> in) {
    transform(out, value_of_pointwise<identity>{}, in);
  }

  // `count` channels of `in` from `from` on go to those of `out` from `to` on.
  template <class V>
  void copy_channels(tensor_view<V> out, int to, tensor_view<const V> in, int from, int count, bool add) {
    const bool last = to + count == out.extents.channels;
    const int columns = !add && last ? padded_channels<V>(out.extents.channels) - to : count;
    launch(row_count(out) * columns, copy_columns<V>{{out.data + to, out.strides.pixel},
                                                     {in.data + from, in.strides.pixel},
                                                     std::uint32_t(columns),
                                                     count,
                                                     add});
  }

  // to (+)= from on `count` elements; both begin at multiples of 16 bytes.
  template <class To, class From>
  void convert(To* to, const From* from, std::size_t count, bool add = false) {
    launch(std::int64_t(round_up(count, 8) / 8), convert_elements<To, From>{to, from, std::int64_t(count), add});
  }

  // The parameters [first, last) of a model, before each of its forward passes: products take their factors from them,
  // as factor(parameter) has them, in the type of values. Once of all of them, which makes room.
  template <class V>
  void take_parameters(const float* parameters, std::size_t first, std::size_t last) {
    if constexpr (!std::is_same_v<V, float>) {
      auto& f = state_->factors;
      if (f.copies.size() < last) f.copies = allocate<V>(last), ++f.moves;
      f.parameters = parameters;
      if (first < last) convert(f.copies.data() + first, parameters + first, last - first);
    }
  }
  template <class V>
  const V* factor(const float* parameter) const {
    if constexpr (std::is_same_v<V, float>)
      return parameter;
    else
      return parameter ? state_->factors.copies.data() + (parameter - state_->factors.parameters) : nullptr;
  }

  // *sum = f(a, b) added up over all elements; f(0, 0) must be 0. The order is fixed.
  template <class F, class A, class B>
  void reduce(double* sum, F f, tensor_view<A> a, tensor_view<B> b) {
    using V = std::remove_const_t<A>;
    const device_scope scope(ordinal());
    const bool flat = packed<V>(a) && packed<V>(b);
    const reduce_packs<F, V, std::remove_const_t<B>> source{readable(a), readable(b), indices<V>(a.extents, flat), f};
    launch_sum_all(source, index_below(packs(a)), sum, sums(), stream(), ordinal());
  }

  // C = op(A) op(B) + beta C, row-major; C is (m, n), the inner extent k, and beta 0 or 1.
  template <class A, class C>
  void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const A* a, std::ptrdiff_t lda, const A* b,
            std::ptrdiff_t ldb, float beta, C* c, std::ptrdiff_t ldc) {
    multiply({transpose_a, transpose_b, m, n, k, lda, ldb, ldc, data_type<A>, data_type<C>}, {a, b, c, beta});
  }
  void multiply(const matrix_product& p, const matrix_operands& o) {
    state_->products->run(p, o, state_->lane->products());
  }
  // Whether there is a kernel that does that.
  bool offers(const matrix_product& p, const matrix_operands& o) {
    return state_->products->offers(p, o, state_->lane->products());
  }
  // What it took when it was tried, 0 where it was not.
  float milliseconds(const matrix_product& p, const matrix_operands& o) {
    return state_->products->milliseconds(p, o, state_->lane->products());
  }

  // y = activation(y + bias); a null bias is none.
  template <class Activation, class V>
  void bias_forward(tensor_view<V> y, const float* bias) {
    const bool pads = y.extents.channels % lanes<V> != 0;
    if (std::is_same_v<Activation, identity> && !bias && !pads) return;
    launch(packs(y), bias_packs<Activation, V>{writable(y), indices<V>(y.extents, false), y.extents.channels, bias});
  }

  // dy *= slope(y), which changes nothing where that is one; bias (+)= the sum of dy over samples and pixels; a null
  // bias is none.
  template <class Activation, class V>
  void bias_backward(tensor_view<const V> y, tensor_view<V> dy, float* bias, bool add) {
    constexpr bool changes = !std::is_same_v<Activation, identity>;
    bias_backward<Activation>(y, dy, changes ? writable(dy) : rows<V>{}, bias, add);
  }
  // The same, with the product going elsewhere, or nowhere where `masked` is null.
  template <class Activation, class V>
  void bias_backward(tensor_view<const V> y, tensor_view<V> dy, rows<V> masked, float* bias, bool add) {
    if (!masked.data && !bias) return;
    const device_scope scope(ordinal());
    launch_mask_and_sum(masked_sums<Activation, V>{readable(y), readable(dy), masked, y.extents.channels}, row_count(y),
                        {bias, add, padded_channels<V>(y.extents.channels)}, sums(), stream(), ordinal());
  }

  // What the kernels' headers build on.

  // See cuda_resources.
  template <class F, class G>
  void both(F f, G g) {
    state_->both(f, g);
  }
  // The same, with bias_backward first where it changes dy, which f and g read, else beside f.
  template <class Activation, class V, class F, class G>
  void both_with_bias(tensor_view<const V> y, tensor_view<V> dy, float* bias, bool add, F f, G g) {
    constexpr bool changes = !std::is_same_v<Activation, identity>;
    if (changes) bias_backward<Activation>(y, dy, bias, add);
    both(f, [&] {
      if (!changes) bias_backward<identity>(y, dy, bias, add);
      g();
    });
  }
  template <class F>
  void beside(F f) {
    state_->beside(f);
  }

  // f(i) for i in [0, count), with 32-bit indices.
  template <class F>
  void launch(std::int64_t count, const F& f) {
    launch_for_each(index_below(count), f, stream(), ordinal());
  }

  template <class V>
  static constexpr cudaDataType_t data_type = std::is_same_v<V, bfloat16> ? CUDA_R_16BF : CUDA_R_32F;
  template <class V>
  static rows<V> writable(tensor_view<V> v) {
    return {v.data, v.strides.pixel};
  }
  template <class V>
  static rows<const V> readable(tensor_view<V> v) {
    return {v.data, v.strides.pixel};
  }
  template <class V>
  static std::int64_t row_count(tensor_view<V> v) {
    return std::int64_t{v.samples} * v.extents.pixels();
  }
  template <class V>
  static std::int64_t packs(tensor_view<V> v) {
    return row_count(v) * per_row<std::remove_const_t<V>>(v.extents);
  }
  template <class V>
  static pack_indices<lanes<V>> indices(shape s, bool flat) {
    return {per_row<V>(s), flat};
  }

  // How often memory that ops share has moved: addresses of before no longer hold.
  std::uint64_t memory_moves() const { return state_->moves(); }
  // Memory whose contents last until the next op: at least `bytes`, from the largest request so far. One that needs
  // more allocates, which an op does not do if its constructor asked for as much.
  void* scratch(std::size_t bytes) { return state_->lane->scratch(bytes); }
  sum_room sums() const { return state_->lane->sums(); }
  cudnnHandle_t cudnn() { return state_->lane->dnn(); }
  // Made, and where the policy says so timed, when first asked for.
  const cudnn_plans::chosen& cudnn_plan_for(const cudnn_geometry& g, cudnnDataType_t type, const cudnn_request& r) {
    const device_scope scope(ordinal());
    return state_->plans.find(cudnn(), state_->cudnn_properties(), stream(), state_->convolutions, g, type, r);
  }

 private:
  template <class View>
  using element_of = std::remove_cv_t<std::remove_pointer_t<decltype(View::data)>>;
  template <class V>
  static std::uint32_t per_row(shape s) {
    return std::uint32_t(padded_channels<V>(s.channels) / lanes<V>);
  }
  static std::uint32_t index_below(std::int64_t count) {
    if (count > std::int64_t{std::numeric_limits<std::uint32_t>::max()})
      throw usage_error("cuda: a value of more than 2^32 elements: make the batch smaller");
    return std::uint32_t(count);
  }
  // Its rows follow each other, as wide as those of a value of V that stands alone.
  template <class V, class U>
  static bool packed(tensor_view<U> v) {
    return v.strides.pixel == padded_channels<V>(v.extents.channels);
  }

  std::unique_ptr<cuda_resources> state_;
};

// The device as networks are written for it. Parameters, their gradients and a solver's state are in single precision
// on all of them, and so is the arithmetic; what products do with their factors, and how values are stored:
//   cuda        single precision throughout
//   cuda_tf32   the tensor cores round factors to 10 bits: off by 1e-3 of their size, and several times faster
//   cuda_bf16   factors and values have 8 bits, half the memory, and the tensor cores do twice as much again; a value
//               is rounded when it is stored, before a bias too where that takes a pass of its own, and the bias itself
//               where a convolution or a product adds it
// `cuda_fastest<...>` is one of them with kernels that were chosen by timing them: see cuda_kernels.
template <cuda_policy Policy>
class basic_cuda : public cuda_device {
 public:
  using value = std::conditional_t<Policy.math == cuda_math::bf16, bfloat16, float>;
  static constexpr cuda_policy policy_of_type = Policy;
  static constexpr const char* name = [] {
    constexpr const char* names[] = {"cuda",         "cuda_tf32",         "cuda_bf16",
                                     "cuda_fastest", "cuda_tf32_fastest", "cuda_bf16_fastest"};
    return names[int(Policy.math) + 3 * int(Policy.kernels)];
  }();

  explicit basic_cuda(int ordinal = 0, cudaStream_t stream = nullptr) : cuda_device(ordinal, stream, Policy) {}

  // The host does nothing that would want several threads.
  static basic_cuda for_rank(int node_rank, int /*node_size*/, int /*threads*/) {
    return basic_cuda(ordinal_of(node_rank));
  }

  static constexpr layout value_layout(shape s) {
    return blocked_layout(s, s.channels > 0 ? padded_channels<value>(s.channels) : lanes<value>);
  }
  static constexpr bool can_slice(shape whole, int first, shape part) {
    constexpr int n = lanes<value>;
    return first % n == 0 && (part.channels % n == 0 || first + part.channels == whole.channels);
  }
};
using cuda = basic_cuda<cuda_policy{cuda_math::fp32}>;
using cuda_tf32 = basic_cuda<cuda_policy{cuda_math::tf32}>;
using cuda_bf16 = basic_cuda<cuda_policy{cuda_math::bf16}>;
template <cuda_policy P>
using cuda_value = typename basic_cuda<P>::value;
template <class Device>
using cuda_fastest = basic_cuda<cuda_policy{Device::policy_of_type.math, cuda_kernels::fastest}>;

}  // namespace firecaffe
