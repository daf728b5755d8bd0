#pragma once

#include "cublas_lt.hpp"
#include "stream_timer.hpp"
#include "values.hpp"

namespace firecaffe {

// Where the kernels of products run, and memory that they use, for one of them at a time.
struct cublas_lt_place {
  static constexpr std::size_t space_bytes = std::size_t{32} << 20;  // what they take on Hopper
  cudaStream_t stream;
  device_memory<char> space;

  cublas_lt_place(int device, cudaStream_t s) : stream(s), space(space_bytes, device, s) {}
};

// A plan for each product that was asked for. Its kernels are fixed by the product, the alignment of its operands up to
// 16 bytes (all that networks have) and the choice. A product repeats to the bit where `choice.repeats`, on devices of
// one kind and with one version of cuBLASLt.
class cublas_lt {
 public:
  cublas_lt(int device, const cublas_lt_choice& choice) : device_(device), choice_(choice) {
    cublasLtHandle_t made = nullptr;
    check_status(cublasLtCreate(&made), "cublasLtCreate", device);
    handle_.reset(made);
  }

  // Throws error where there is no kernel for it.
  void run(const matrix_product& p, const matrix_operands& o, const cublas_lt_place& at) {
    if (p.m == 0 || p.n == 0) return;
    if (p.k == 0) return scale(p, o, at.stream);
    const device_scope scope(device_);
    cublas_lt_plan& plan = find(p, alignment_of(o), at).plan;
    if (plan.count() == 0) throw_cuda_error("cuBLASLt", "it has no kernel for this product", device_);
    plan.run(o, at.space, at.stream);
  }

  // Whether there is a kernel for it; not where the product is empty. What decides is known when the plan is made: the
  // answer to a product stays the same.
  bool offers(const matrix_product& p, const matrix_operands& o, const cublas_lt_place& at) {
    if (p.m == 0 || p.n == 0 || p.k == 0) return false;
    const device_scope scope(device_);
    return find(p, alignment_of(o), at).plan.count() > 0;
  }
  // How long it took when its kernels were tried, 0 where they were not; it must be offered.
  float milliseconds(const matrix_product& p, const matrix_operands& o, const cublas_lt_place& at) {
    const device_scope scope(device_);
    return find(p, alignment_of(o), at).milliseconds;
  }

 private:
  struct entry {
    matrix_product product;
    std::uint32_t alignment;
    cublas_lt_plan plan;
    float milliseconds = 0;
  };

  // C = beta C, where beta is 0 or 1.
  void scale(const matrix_product& p, const matrix_operands& o, cudaStream_t stream) {
    if (o.beta != 0) return;
    const device_scope scope(device_);
    const std::size_t element = size_of(p.result);
    check_status(
        cudaMemset2DAsync(o.c, std::size_t(p.ldc) * element, 0, std::size_t(p.n) * element, std::size_t(p.m), stream),
        "cudaMemset2DAsync", device_);
  }
  static std::size_t size_of(cudaDataType_t t) { return t == CUDA_R_32F ? sizeof(float) : sizeof(bfloat16); }

  entry& find(const matrix_product& p, std::uint32_t alignment, const cublas_lt_place& at) {
    for (const auto& m : made_)
      if (m->product == p && m->alignment == alignment) return *m;
    std::unique_ptr<entry> e(
        new entry{p, alignment, cublas_lt_plan(handle_.get(), p, alignment, choice_, at.space_bytes, device_)});
    if (choice_.tries > 1 && e->plan.count() > 0) keep_fastest(*e, at);
    return *made_.emplace_back(std::move(e));
  }

  // More than 16 bytes make no kernel faster, and would let an address choose it.
  static std::uint32_t alignment_of(const matrix_operands& o) {
    std::uintptr_t all = 16;
    for (const void* p : {o.a, o.b, static_cast<const void*>(o.c), static_cast<const void*>(o.v)})
      all |= reinterpret_cast<std::uintptr_t>(p);
    return std::uint32_t(all & (~all + 1));
  }

  // Kernels are tried on memory of their own, which is zero. One that fails when it is run is passed over, and where
  // there is no memory to try any, the first is taken.
  void keep_fastest(entry& e, const cublas_lt_place& at) {
    const matrix_product& p = e.product;
    const auto room = [&](std::ptrdiff_t elements, cudaDataType_t type) {
      return device_memory<char>(std::size_t(elements) * size_of(type), device_, at.stream);
    };
    device_memory<char> a, b, c, v;
    try {
      a = room((p.transpose_a ? p.k : p.m) * p.lda, p.factors);
      b = room((p.transpose_b ? p.n : p.k) * p.ldb, p.factors);
      c = room(p.m * p.ldc, p.result);
      if (e.plan.has_vector(p.then)) v = room(std::max(p.m, p.n), p.result);
    } catch (const error&) {
      return e.plan.keep_only(0);
    }
    const matrix_operands o{a.data(), b.data(), c.data(), 0, v.data()};
    stream_timer watch(at.stream, device_);
    float least = std::numeric_limits<float>::infinity();
    std::size_t best = e.plan.count();
    for (std::size_t i = 0; i < e.plan.count(); ++i) {
      const float took = watch.milliseconds([&] { e.plan.run(o, at.space, at.stream, i); });
      if (took < least) least = took, best = i;
    }
    if (best == e.plan.count()) return e.plan.keep_none();
    e.plan.keep_only(best), e.milliseconds = least;
  }

  int device_;
  cublas_lt_choice choice_;
  owned_cublas_lt<cublasLtHandle_t> handle_;
  std::vector<std::unique_ptr<entry>> made_;
};

}  // namespace firecaffe
