#pragma once

#include <algorithm>
#include <vector>

#include "memory.hpp"

namespace firecaffe {

// C = op(A) op(B) + beta C in row-major order, C being (m, n) and the inner extent k, and what the same kernel does
// besides with a vector v of elements of C's type:
//   bias       C += v in every row
//   relu       C = max(C, 0), after the bias where there is one
//   row_sums   v[i] = the sum over l of op(A)[i][l]
struct matrix_product {
  enum ending { plain, bias, relu, bias_relu, row_sums };
  bool transpose_a, transpose_b;
  int m, n, k;
  std::ptrdiff_t lda, ldb, ldc;
  cudaDataType_t factors, result;
  ending then = plain;
  friend bool operator==(const matrix_product&, const matrix_product&) = default;
};

struct matrix_operands {
  const void *a, *b;
  void* c;
  float beta = 0;
  void* v = nullptr;
};

struct cublas_lt_choice {
  cublasComputeType_t of_floats;  // other factors are added up in single precision as they are
  bool repeats;
  int tries;  // up to 16; of more than one the fastest is taken
};

struct destroy_cublas_lt {
  void operator()(cublasLtHandle_t h) const { cublasLtDestroy(h); }
  void operator()(cublasLtMatmulDesc_t d) const { cublasLtMatmulDescDestroy(d); }
  void operator()(cublasLtMatrixLayout_t l) const { cublasLtMatrixLayoutDestroy(l); }
  void operator()(cublasLtMatmulPreference_t p) const { cublasLtMatmulPreferenceDestroy(p); }
};
template <class Handle>
using owned_cublas_lt = std::unique_ptr<std::remove_pointer_t<Handle>, destroy_cublas_lt>;

// A product as cuBLASLt knows it. That counts by columns: it computes C^T = op(B)^T op(A)^T, so its first factor is B,
// an element for each row of its result is one for each of our columns, and what it sums of its second factor are the
// rows of op(A).
class cublas_lt_plan {
 public:
  // `alignment`: bytes, of all operands; `space`: bytes that kernels may use. Throws error where a call fails.
  cublas_lt_plan(cublasLtHandle_t handle, const matrix_product& p, std::uint32_t alignment, const cublas_lt_choice& how,
                 std::uint64_t space, int device)
      : handle_(handle), device_(device) {
    const bool floats = p.factors == CUDA_R_32F;
    cublasLtMatmulDesc_t product = nullptr;
    check_status(cublasLtMatmulDescCreate(&product, floats ? how.of_floats : CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate", device_);
    product_.reset(product);
    describe(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    describe(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    describe(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(p.then));
    if (has_vector(p.then)) {
      describe(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, std::int32_t(p.result));
      // Nothing is read there yet: the heuristics take the vector's alignment from its address.
      describe(CUBLASLT_MATMUL_DESC_BIAS_POINTER, std::uintptr_t(alignment));
    }
    a_ = layout(p.factors, p.transpose_a ? p.m : p.k, p.transpose_a ? p.k : p.m, p.lda);
    b_ = layout(p.factors, p.transpose_b ? p.k : p.n, p.transpose_b ? p.n : p.k, p.ldb);
    c_ = layout(p.result, p.n, p.m, p.ldc);
    ask(p, alignment, how, space);
  }

  // Kernels that may be run: none where cuBLASLt has none, as may be for a product that does something besides.
  std::size_t count() const { return kernels_.size(); }

  void run(const matrix_operands& o, const device_memory<char>& space, cudaStream_t stream, std::size_t which = 0) {
    if (o.v) describe(CUBLASLT_MATMUL_DESC_BIAS_POINTER, o.v);
    const float one = 1;
    check_status(cublasLtMatmul(handle_, product_.get(), &one, o.b, b_.get(), o.a, a_.get(), &o.beta, o.c, c_.get(),
                                o.c, c_.get(), &kernels_[which].algo, space.data(), space.bytes(), stream),
                 "cublasLtMatmul", device_);
  }

  void keep_only(std::size_t which) { kernels_ = {kernels_[which]}; }
  void keep_none() { kernels_.clear(); }

  static constexpr bool has_vector(matrix_product::ending e) {
    return e != matrix_product::plain && e != matrix_product::relu;
  }

 private:
  static constexpr int most_tries = 16;
  struct kernel {  // with a name: nvcc 13.0 fails on a vector of the library's nameless type
    cublasLtMatmulAlgo_t algo;
  };

  static constexpr cublasLtEpilogue_t epilogue(matrix_product::ending e) {
    constexpr cublasLtEpilogue_t all[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU,
                                          CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_BGRADB};
    return all[e];
  }

  template <class T>
  void describe(cublasLtMatmulDescAttributes_t what, const T& value) {
    check_status(cublasLtMatmulDescSetAttribute(product_.get(), what, &value, sizeof value),
                 "cublasLtMatmulDescSetAttribute", device_);
  }

  // A row-major matrix of `rows` rows, by columns.
  owned_cublas_lt<cublasLtMatrixLayout_t> layout(cudaDataType_t type, int columns, int rows,
                                                 std::ptrdiff_t pitch) const {
    cublasLtMatrixLayout_t l = nullptr;
    check_status(cublasLtMatrixLayoutCreate(&l, type, std::uint64_t(columns), std::uint64_t(rows), pitch),
                 "cublasLtMatrixLayoutCreate", device_);
    return owned_cublas_lt<cublasLtMatrixLayout_t>(l);
  }

  // How the parts of a sum that was split are added: apart, in single precision and in their order. In place they come
  // in any order; and rounded to the result's type on the way they lose more than a value that is rounded once. Sums of
  // rows are made by one pass over k, as nothing is said of how their parts would be added.
  static std::uint32_t reductions(const matrix_product& p, bool repeats) {
    if (p.then == matrix_product::row_sums && repeats) return CUBLASLT_REDUCTION_SCHEME_NONE;
    return repeats || p.result != CUDA_R_32F ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_MASK;
  }

  void ask(const matrix_product& p, std::uint32_t alignment, const cublas_lt_choice& how, std::uint64_t space) {
    cublasLtMatmulPreference_t made = nullptr;
    check_status(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate", device_);
    const owned_cublas_lt<cublasLtMatmulPreference_t> preference(made);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
      check_status(cublasLtMatmulPreferenceSetAttribute(made, what, &value, sizeof value),
                   "cublasLtMatmulPreferenceSetAttribute", device_);
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, space);
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions(p, how.repeats));
    for (const auto which : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                             CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(which, alignment);
    cublasLtMatmulHeuristicResult_t results[most_tries];
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle_, product_.get(), b_.get(), a_.get(), c_.get(),
                                                                 c_.get(), made, how.tries, results, &found);
    // What it cannot do besides a product may be called invalid too; where the product itself is, that shows when it is
    // asked for alone.
    const bool refused = status == CUBLAS_STATUS_NOT_SUPPORTED ||
                         (status == CUBLAS_STATUS_INVALID_VALUE && p.then != matrix_product::plain);
    if (!refused) check_status(status, "cublasLtMatmulAlgoGetHeuristic", device_);
    for (int i = 0; i < found && !refused; ++i)
      if (results[i].state == CUBLAS_STATUS_SUCCESS) kernels_.push_back({results[i].algo});
  }

  cublasLtHandle_t handle_;
  int device_;
  owned_cublas_lt<cublasLtMatmulDesc_t> product_;
  owned_cublas_lt<cublasLtMatrixLayout_t> a_, b_, c_;
  std::vector<kernel> kernels_;  // what is estimated to be fastest first
};

}  // namespace firecaffe
