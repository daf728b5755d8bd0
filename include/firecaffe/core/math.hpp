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

// ln(1 + x) for x in [0, 1], again without a call: 2 artanh t with t = x / (2 + x), by its series up to t^13, whose
// first missing term is below 2e-8 of the sum. Relative error below 3e-7.
FIRECAFFE_HD inline float log_of_one_plus(float x) {
  const float t = x / (2.0f + x), square = t * t;
  float p = 2.0f / 13;
  p = p * square + 2.0f / 11;
  p = p * square + 2.0f / 9;
  p = p * square + 2.0f / 7;
  p = p * square + 2.0f / 5;
  p = p * square + 2.0f / 3;
  p = p * square + 2.0f;
  return p * t;
}

FIRECAFFE_HD inline double log_of_one_plus(double x) {
  using std::log1p;
  return log1p(x);
}

// The standard normal distribution at x: how much of it lies below, and its density.
template <class T>
struct normal {
  T below, density;
};

// For loops over arrays: the tail by formula 7.1.26 of Abramowitz and Stegun's handbook. Absolute error below 3e-7.
FIRECAFFE_HD inline normal<float> standard_normal(float x) {
  const float size = x > 0 ? x : -x, bell = exponential(-0.5f * x * x);
  const float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * size);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * bell;
  return {x > 0 ? 1.0f - tail : tail, 0.398942280f * bell};
}

FIRECAFFE_HD inline normal<double> standard_normal(double x) {
  using std::erfc;
  return {0.5 * erfc(-0.70710678118654752 * x), 0.39894228040143268 * exponential(-0.5 * x * x)};
}

}  // namespace firecaffe
