#pragma once

#include <cblas.h>
#include <dnnl.h>

#include <cstddef>

namespace firecaffe {

// C = op(A) op(B) + beta C by the calling thread, row-major; C is (m, n), the inner extent k > 0. For blocks of 16,
// that is with AVX-512, by oneDNN, whose code is made for the processor that it finds: at least as fast as OpenBLAS
// 0.3.21 there, and several times as fast on processors that are younger than the BLAS. Otherwise by the BLAS. False:
// oneDNN had no memory (an exception may not leave the parallel region that this is called from).
template <int Block>
bool gemm_on_this_thread(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, std::ptrdiff_t lda,
                         const float* b, std::ptrdiff_t ldb, float beta, float* c, std::ptrdiff_t ldc) {
  if constexpr (Block == 16) {
    return dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc) ==
           dnnl_success;
  } else {
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, m, n,
                k, 1.0f, a, int(lda), b, int(ldb), beta, c, int(ldc));
    return true;
  }
}

}  // namespace firecaffe
