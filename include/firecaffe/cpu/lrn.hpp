#pragma once

#include <cstdint>
#include <utility>

#include "../layers/lrn.hpp"
#include "device.hpp"
#include "vector.hpp"

namespace firecaffe {

// Powers of positive numbers, lane by lane, as straight-line code that needs no instruction of its own.
template <int Lanes>
struct vector_powers {
  using vec = vector<Lanes>;
  typedef std::int32_t bits __attribute__((vector_size(Lanes * sizeof(std::int32_t))));

  // s^(-q/4) and s^(-q/4 - 1) for q = 1 to 8. A guess u of s^(-1/4) by dividing the exponent has h = 1 - s u^4 below
  // 0.124; the polynomial, (1 - h)^(-1/4) at Chebyshev's nodes, leaves h below 3e-4, and the first terms of
  // (1 - h)^(-q/4) and 1 / (1 - h) the rest. Relative errors below 1e-6. Short chains of operations, so
  // that a core overlaps several vectors.
  template <int Quarters>
  static void root_powers(const vec& s, vec& power, vec& next) {
    vec u = __builtin_bit_cast(vec, 0x4F581800 - (__builtin_bit_cast(bits, s) >> 2)), two = u * u;
    vec h = 1.0f - s * (two * two);
    u += u * h * (0.2513534f + 0.1573503f * h);
    two = u * u;
    const vec four = two * two;
    h = 1.0f - s * four;
    power = Quarters % 2 == 1 ? u : two;
    for (int i = 2 - Quarters % 2; i < Quarters; i += 2) power *= two;
    power *= 1.0f + (0.25f * Quarters) * h;
    next = power * (four + four * h);
  }

  // s^exponent = 2^(exponent log2 s). s = m 2^e with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh t with
  // t = (m - 1) / (m + 1), by its series up to t^9; 2^f with |f| <= 1/2 by its series up to f^7. The results are
  // clamped to [2^-126, 2^127]; the relative error is below 5e-7 times |exponent log2 s|, or times 1 where that is
  // less.
  static void power(const vec& s, float exponent, vec& out) {
    const bits raw = __builtin_bit_cast(bits, s), e = (raw - 0x3F3504F3) >> 23;
    const vec m = __builtin_bit_cast(vec, raw - (e << 23)), t = (m - 1.0f) / (m + 1.0f), square = t * t;
    vec p = 2.88539008f / 9 * square + 2.88539008f / 7;
    p = p * square + 2.88539008f / 5;
    p = p * square + 2.88539008f / 3;
    p = p * square + 2.88539008f;
    vec z = exponent * (t * p + __builtin_convertvector(e, vec));
    z = z < -126.0f ? vec{} - 126.0f : z;
    z = z > 127.0f ? vec{} + 127.0f : z;
    const vec n = (z + 12582912.0f) - 12582912.0f, f = z - n;  // n: the nearest integer
    p = 1.52527338e-5f * f + 1.54035304e-4f;
    p = p * f + 1.33335581e-3f;
    p = p * f + 9.61812911e-3f;
    p = p * f + 5.55041087e-2f;
    p = p * f + 2.40226507e-1f;
    p = p * f + 6.93147181e-1f;
    p = p * f + 1.0f;
    out = p * __builtin_bit_cast(vec, (__builtin_convertvector(n, bits) + 127) << 23);
  }
};

// A window needs the channels of one pixel side by side, and a value has them in blocks, a plane apart. So a tile of
// pixels is turned into rows of channels, with the zeros of the borders at both ends, which stays in the cache: memory
// is read and written once.
template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, lrn<Options...>, In, Out> {
  static constexpr lrn_settings settings = lrn<Options...>::settings;
  static constexpr int lanes = In.strides.block, blocks = (In.extents.channels + lanes - 1) / lanes;
  static constexpr int side = settings.local_size / 2, border = (side + lanes - 1) / lanes * lanes;
  static constexpr int row = blocks * lanes + 2 * border, pixels = In.extents.pixels();
  static constexpr int fitting = 4096 / row < 8 ? 8 : 4096 / row;  // 48 KiB for the three arrays of rows
  static constexpr int tile = fitting < pixels ? fitting : pixels, tiles = (pixels + tile - 1) / tile;
  using vec = vector<lanes>;
  static auto& at(const float* p) { return vector_at<lanes>(p); }
  static auto& at(float* p) { return vector_at<lanes>(p); }

  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(basic_cpu<Block>& device, int) : scratch_(share * std::size_t(device.threads())) {}

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y, no_parameters<const float*>,
               const pass&) {
    for_each_tile(device.threads(), x.samples, [&](float* squares, int n, int first, int count) {
      const float* px = x.data + n * In.strides.sample + first * lanes;
      float* py = y.data + n * Out.strides.sample + first * lanes;
      square(squares, px, count);
      for_each_vector(count, [&](std::ptrdiff_t in, std::ptrdiff_t out, int in_row) {
        vec scale, unused;
        scales(squares + in_row, scale, unused);
        at(py + out) = at(px + in) * scale;
      });
    });
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, no_parameters<const float*>, no_parameters<float*>, accumulation adds,
                const pass&) {
    if (!dx) return;
    constexpr float slope = float(2 * settings.alpha * settings.beta / settings.local_size);
    for_each_tile(device.threads(), x.samples, [&](float* squares, int n, int first, int count) {
      const float* px = x.data + n * In.strides.sample + first * lanes;
      const float* pdy = dy.data + n * Out.strides.sample + first * lanes;
      float* pdx = dx.data + n * In.strides.sample + first * lanes;
      float *products = squares + tile * row, *kept = products + tile * row;
      square(squares, px, count);
      for_each_vector(count, [&](std::ptrdiff_t in, std::ptrdiff_t out, int in_row) {
        vec scale, gradient_scale;
        scales(squares + in_row, scale, gradient_scale);
        at(kept + in_row) = scale * at(pdy + out);
        at(products + in_row) = at(pdy + out) * at(px + in) * gradient_scale;
      });
      for_each_vector(count, [&](std::ptrdiff_t in, std::ptrdiff_t, int in_row) {
        vec total;
        window_sum(products + in_row, total);
        total = at(kept + in_row) - slope * at(px + in) * total;
        if (adds.input) total += at(pdx + in);
        at(pdx + in) = total;
      });
    });
  }

 private:
  // Of a thread: rows of squares, of the products that the gradient sums, and of a part of it.
  static constexpr std::size_t share = round_up(std::size_t{3} * tile * row, 16);

  // f(scratch, sample, first pixel, pixels), on the device's threads.
  template <class F>
  void for_each_tile(int threads, int samples, F f) {
    const std::int64_t count = std::int64_t{samples} * tiles;
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int t = 0; t < threads; ++t)
      for (std::int64_t i = count * t / threads; i < count * (t + 1) / threads; ++i) {
        const int first = int(i % tiles) * tile;
        f(scratch_.data() + std::size_t(t) * share, int(i / tiles), first,
          pixels - first < tile ? pixels - first : tile);
      }
  }

  // f(where in x, where in y, where in the rows), for each block of each pixel.
  template <class F>
  static void for_each_vector(int count, F f) {
    for (int b = 0; b < blocks; ++b)
      for (int p = 0; p < count; ++p)
        f(b * In.strides.outer + p * lanes, b * Out.strides.outer + p * lanes, p * row + border + b * lanes);
  }

  // The borders are zero from the start and never written.
  static void square(float* squares, const float* px, int count) {
    for_each_vector(count, [&](std::ptrdiff_t in, std::ptrdiff_t, int in_row) {
      at(squares + in_row) = at(px + in) * at(px + in);
    });
  }

  // The middle, and pairs: sums that do not wait for each other.
  static void window_sum(const float* middle, vec& total) {
    total = at(middle);
    [&]<int... I>(std::integer_sequence<int, I...>) {
      if constexpr (side > 0)
        total += ((vector_anywhere<lanes>(middle - I - 1).lanes + vector_anywhere<lanes>(middle + I + 1).lanes) + ...);
    }
    (std::make_integer_sequence<int, side>{});
  }

  // s^-beta and s^(-beta - 1). The published networks' beta, 3/4, and other multiples of 1/4 are powers of a root.
  static void scales(const float* middle, vec& output, vec& gradient) {
    constexpr int quarters =
        settings.beta * 4 == int(settings.beta * 4) && settings.beta <= 2 ? int(settings.beta * 4) : 0;
    vec s;
    window_sum(middle, s);
    s = float(settings.offset) + float(settings.alpha / settings.local_size) * s;
    if constexpr (quarters > 0) {
      vector_powers<lanes>::template root_powers<quarters>(s, output, gradient);
    } else {
      vector_powers<lanes>::power(s, float(-settings.beta), output);
      gradient = output / s;
    }
  }

  aligned_memory<float> scratch_;
};

}  // namespace firecaffe
