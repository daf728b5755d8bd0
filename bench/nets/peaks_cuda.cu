#include <cublas_v2.h>
#include <cuda_bf16.h>

#include <algorithm>
#include <firecaffe/cuda/memory.hpp>
#include <memory>
#include <type_traits>

#include "peaks_cuda.hpp"

namespace fc = firecaffe;

namespace {

using blas_handle = std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, decltype(&cublasDestroy)>;

// Work per second, on the default stream. The median would blame the clock's ups and downs on what is measured against
// it.
template <class Try>
double best_rate(int ordinal, double work, Try attempt) {
  const fc::owned_event begin = fc::make_timer(ordinal), end = fc::make_timer(ordinal);
  double best = 0;
  for (int i = -3; i < 15; ++i) {  // the first ones warm up
    fc::record_event(begin, nullptr, ordinal);
    attempt();
    fc::check_status(cudaGetLastError(), "a launch", ordinal);
    fc::record_event(end, nullptr, ordinal);
    fc::check_status(cudaEventSynchronize(end.get()), "cudaEventSynchronize", ordinal);
    float milliseconds = 0;
    fc::check_status(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), "cudaEventElapsedTime", ordinal);
    if (i >= 0) best = std::max(best, work / (1e-3 * double(milliseconds)));
  }
  return best;
}

// Noise in [-0.5, 0.5): a product of zeros needs less power, and gets a faster clock, than any training.
template <class T>
__global__ void fill(T* values, unsigned count, unsigned seed) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    unsigned x = (i + seed) * 0x9E3779B9u;
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    values[i] = T(float(x >> 8) / float(1 << 24) - 0.5f);
  }
}

__global__ void triad(float4* to, const float4* left, const float4* right, unsigned count) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float4 a = left[i], b = right[i];
  to[i] = {a.x + 3 * b.x, a.y + 3 * b.y, a.z + 3 * b.z, a.w + 3 * b.w};
}

template <matrix_factors Factors>
double matrix_rate(int ordinal) {
  constexpr bool half = Factors == matrix_factors::bf16;
  using T = std::conditional_t<half, __nv_bfloat16, float>;
  constexpr cudaDataType_t type = half ? CUDA_R_16BF : CUDA_R_32F;
  constexpr cublasComputeType_t compute =
      Factors == matrix_factors::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  constexpr int n = 8192;
  const fc::device_memory<T> a(n * n, ordinal, nullptr), b(n * n, ordinal, nullptr), c(n * n, ordinal, nullptr);
  fill<<<1024, 256>>>(a.data(), n * n, 1);
  fill<<<1024, 256>>>(b.data(), n * n, 1 + n * n);
  cublasHandle_t created = nullptr;
  fc::check_status(cublasCreate(&created), "cublasCreate", ordinal);
  const blas_handle blas(created, &cublasDestroy);
  const float one = 1, zero = 0;
  return best_rate(ordinal, 2.0 * n * n * n, [&] {
    fc::check_status(cublasGemmEx(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, a.data(), type, n, b.data(),
                                  type, n, &zero, c.data(), type, n, compute, CUBLAS_GEMM_DEFAULT),
                     "cublasGemmEx", ordinal);
  });
}

// Of a[i] = b[i] + s c[i], two read and one written, or of a copy: whichever is faster.
double bandwidth(int ordinal) {
  constexpr std::size_t bytes = std::size_t{512} << 20;
  constexpr unsigned count = bytes / sizeof(float4), threads = 256;
  const fc::device_memory<float4> a(count, ordinal, nullptr), b(count, ordinal, nullptr), c(count, ordinal, nullptr);
  const double by_triad = best_rate(ordinal, 3.0 * double(bytes),
                                    [&] { triad<<<count / threads, threads>>>(a.data(), b.data(), c.data(), count); });
  const double by_copy = best_rate(ordinal, 2.0 * double(bytes), [&] {
    fc::check_status(cudaMemcpyAsync(a.data(), b.data(), bytes, cudaMemcpyDeviceToDevice), "cudaMemcpyAsync", ordinal);
  });
  return std::max(by_triad, by_copy);
}

}  // namespace

template <matrix_factors Factors>
machine_peaks cuda_peaks(int ordinal) {
  const fc::device_scope scope(ordinal);
  fc::check_status(cudaDeviceSynchronize(), "cudaDeviceSynchronize", ordinal);  // training has a stream of its own
  return {matrix_rate<Factors>(ordinal), bandwidth(ordinal)};
}

template machine_peaks cuda_peaks<matrix_factors::fp32>(int);
template machine_peaks cuda_peaks<matrix_factors::tf32>(int);
template machine_peaks cuda_peaks<matrix_factors::bf16>(int);
