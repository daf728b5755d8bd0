#pragma once

#include "nets.hpp"

// What the factors of a product are rounded to; sums are in single precision.
enum class matrix_factors { fp32, tf32, bf16 };

// What an NVIDIA device reaches now, the best of several short tries timed by its own clock: floating-point operations
// of cuBLAS on square matrices of 8192 random numbers, and bytes of a triad or a copy that no cache holds. Takes up to
// 1.5 GiB of the device while it runs. Compiled once, in peaks_cuda.cu. Throws fc::error.
template <matrix_factors Factors>
machine_peaks cuda_peaks(int ordinal);
