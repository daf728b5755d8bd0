#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace firecaffe {

// A codec from a format for blocks of 64 numbers, which has
//   header_bytes, code_bytes      of a block, and of one number in it; a shorter last block has fewer numbers
//   encode(const float* x, float* y, std::byte* out)  64 numbers to a message and to what it decodes to
//   decode(const std::byte* in, float* y)
// Blocks have a constant length and pass through local arrays so that compilers vectorise all of it without being told
// what overlaps.
template <class Format>
struct block_codec {
  static constexpr std::size_t block = 64;
  static constexpr bool lossy = true, feeds_back = false;

  static constexpr std::size_t bytes(std::size_t elements, std::size_t = sizeof(float)) {
    return (elements + block - 1) / block * Format::header_bytes + elements * Format::code_bytes;
  }

  template <std::floating_point T>
  static void encode(T* values, std::size_t n, std::byte* out, T* residual = nullptr) {
    for (; n >= block; n -= block, values += block, out += whole) {
      encode_block(values, out, residual);
      if (residual) residual += block;
    }
    if (n == 0) return;
    T padded[block] = {}, lost[block] = {};
    std::byte message[whole];
    std::memcpy(padded, values, n * sizeof(T));
    if (residual) std::memcpy(lost, residual, n * sizeof(T));
    encode_block(padded, message, lost);
    std::memcpy(values, padded, n * sizeof(T));
    if (residual) std::memcpy(residual, lost, n * sizeof(T));
    std::memcpy(out, message, bytes(n));
  }

  template <std::floating_point T>
  static void decode(const std::byte* in, T* out, std::size_t n) {
    for_blocks(in, n, [&](const float* y, std::size_t count) {
      if (count == block)
        for (std::size_t i = 0; i < block; ++i) out[i] = y[i];
      else
        for (std::size_t i = 0; i < count; ++i) out[i] = y[i];
      out += count;
    });
  }

  template <std::floating_point T>
  static void decode_add(const std::byte* in, T* into, std::size_t n) {
    for_blocks(in, n, [&](const float* y, std::size_t count) {
      if (count == block)
        for (std::size_t i = 0; i < block; ++i) into[i] += y[i];
      else
        for (std::size_t i = 0; i < count; ++i) into[i] += y[i];
      into += count;
    });
  }

 private:
  static constexpr std::size_t whole = Format::header_bytes + block * Format::code_bytes;

  static float narrow(float x) { return x; }

  // To the nearest float towards zero, with the last bit set where that is not exact ("to odd"): rounded again to
  // fewer bits this gives what rounding the double would.
  static float narrow(double x) {
    const float nearest = static_cast<float>(x);
    const double back = nearest;
    std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
    bits -= std::abs(back) > std::abs(x) ? 1 : 0;
    bits |= back != x ? 1 : 0;
    return std::bit_cast<float>(bits);
  }

  template <class T>
  static void encode_block(T* values, std::byte* out, T* residual) {
    T given[block];
    float x[block], y[block];
    std::memcpy(given, values, sizeof given);
    for (std::size_t i = 0; i < block; ++i) x[i] = narrow(given[i]);
    Format::encode(x, y, out);
    for (std::size_t i = 0; i < block; ++i) values[i] = y[i];
    if (!residual) return;
    for (std::size_t i = 0; i < block; ++i) {
      const T lost = given[i] - static_cast<T>(y[i]);
      residual[i] += lost - lost == 0 ? lost : T{0};  // of infinity and NaN nothing can be kept
    }
  }

  template <class Use>
  static void for_blocks(const std::byte* in, std::size_t n, Use&& use) {
    float y[block];
    for (; n >= block; n -= block, in += whole) {
      Format::decode(in, y);
      use(y, block);
    }
    if (n == 0) return;
    std::byte message[whole] = {};
    std::memcpy(message, in, bytes(n));
    Format::decode(message, y);
    use(y, n);
  }
};

}  // namespace firecaffe
