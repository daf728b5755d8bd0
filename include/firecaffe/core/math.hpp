#pragma once

#include <cmath>
#include <cstdint>

#include "host_device.hpp"

namespace firecaffe {

// exp for loops over arrays. The C library's is called element by element; this one is straight-line code that
// compilers turn into vector code on every machine: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial of degree 6 in r
// (Taylor's, whose first missing term is below 1.2e-7 / 10), and 2^n by its exponent bits. Relative error below 3e-7;
// results stay finite: arguments are clamped to [-87, 88]. A NaN stays one.
FIRECAFFE_HD inline float exponential(float x) {
  const float low = x < -87.0f ? -87.0f : x, clamped = low > 88.0f ? 88.0f : low;
  const float n = (clamped * 1.44269504f + 12582912.0f) - 12582912.0f;  // rounds to an integer
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;    // ln 2 in two parts
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * __builtin_bit_cast(float, (static_cast<std::int32_t>(n) + 127) << 23);
}

FIRECAFFE_HD inline double exponential(double x) {
  using std::exp;
  return exp(x);
}

// The square root for loops over arrays, for finite x >= 0. The C library's sets errno, which keeps compilers from
// vector code; this one is 1 / sqrt(x) by its exponent bits and three of Newton's steps, times x. Relative error below
// 3e-7 for normal numbers; the root of 0 is 0.
FIRECAFFE_HD inline float square_root(float x) {
  float r = __builtin_bit_cast(float, 0x5f3759df - (__builtin_bit_cast(std::int32_t, x) >> 1));
  r = r * (1.5f - (0.5f * x * r) * r);
  r = r * (1.5f - (0.5f * x * r) * r);
  r = r * (1.5f - (0.5f * x * r) * r);
  return x * r;
}

FIRECAFFE_HD inline double square_root(double x) {
  using std::sqrt;
  return sqrt(x);
}

}  // namespace firecaffe
