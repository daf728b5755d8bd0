#pragma once

// What this machine reaches now, by `threads` threads: the best of several short tries.
#include <algorithm>
#include <chrono>
#include <firecaffe/cpu/device.hpp>
#include <firecaffe/cpu/vector.hpp>

// The median rate would blame the neighbours' load on the code that is measured against it.
template <class Try>
double best_rate(double work, Try attempt) {
  double best = 0;
  for (int i = 0; i < 15; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    attempt();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, work / took.count());
  }
  return best;
}

// Floating-point operations per second in registers, a multiply-add counted as two.
inline double multiply_add_rate(int threads) {
  constexpr int lanes = firecaffe::native_block, chains = 12, turns = 400'000;  // more chains than latency x units
  double sink = 0;
  const double rate = best_rate(2.0 * lanes * chains * turns * threads, [&] {
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sink)
    for (int t = 0; t < threads; ++t) {
      firecaffe::vector<lanes> a[chains] = {}, x, y;
      for (int l = 0; l < lanes; ++l) x[l] = 0.999f + 1e-6f * float(l), y[l] = 1e-3f * float(t + 1);
      asm volatile("" : "+x"(x), "+x"(y));
      for (int i = 0; i < turns; ++i)
#pragma GCC unroll 12
        for (int c = 0; c < chains; ++c) a[c] = a[c] * x + y;
      for (int c = 0; c < chains; ++c) sink += double(a[c][c]);
    }
  });
  return sink == 1 ? 0 : rate;  // keeps the loop
}

// Bytes per second of a[i] = b[i] + s c[i] over arrays that no cache holds: two read, one written.
inline double triad_rate(int threads) {
  constexpr std::size_t count = std::size_t{1} << 25;
  const firecaffe::aligned_memory<float> a(count), b(count), c(count);
  return best_rate(3.0 * sizeof(float) * double(count), [&] {
    float *to = a.data(), *left = b.data(), *right = c.data();
#pragma omp parallel for simd num_threads(threads) if (parallel : threads > 1)
    for (std::size_t i = 0; i < count; ++i) to[i] = left[i] + 3.0f * right[i];
  });
}
