// firecaffe::cpu brings oneDNN, a BLAS and OpenMP.
#if __has_include(<firecaffe/cpu.hpp>)
#include <firecaffe/cpu.hpp>
#endif
#if __has_include(<cblas.h>)
#include <cblas.h>
#else
#include <mkl_cblas.h>
#endif
#include <omp.h>

#include <dnnl.hpp>

int main() {
  const float x[2] = {3, 4};
  const bool adds = cblas_sdot(2, x, 1, x, 1) == 25;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return adds && engine.get_kind() == dnnl::engine::kind::cpu && omp_get_max_threads() > 0 ? 0 : 1;
}
