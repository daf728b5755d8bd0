#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "block_codec.hpp"

namespace firecaffe {

// A block is one byte with the exponent e of its scale and 64 codes k of a byte each; a number is k * 2^e.
struct int8_blocks {
  static constexpr std::size_t header_bytes = 1, code_bytes = 1;
  static constexpr int least = -126, greatest = 121, not_finite = -128;  // exponents

  static void encode(const float* x, float* y, std::byte* out) {
    std::int32_t size[64], longest = 0;
    std::memcpy(size, x, sizeof size);
    for (std::size_t i = 0; i < 64; ++i) longest = std::max(longest, size[i] & 0x7fffffff);
    if (longest >= 0x7f800000) {
      std::memset(out, 0, 65);
      out[0] = static_cast<std::byte>(static_cast<std::uint8_t>(not_finite));
      std::fill_n(y, 64, std::numeric_limits<float>::quiet_NaN());
      return;
    }
    // 127 * 2^e is 1.984375 * 2^(e + 6): a greater fraction, by its bits, carries into the next exponent.
    const std::int32_t e = std::clamp(((longest + 0x7fffff - 0x7e0000) >> 23) - 127 - 6, least, greatest);
    const float up = power_of_two(-e), down = power_of_two(e);
    float scaled[64];
    std::int8_t codes[64];
    for (std::size_t i = 0; i < 64; ++i) scaled[i] = x[i] * up;
    for (std::size_t i = 0; i < 64; ++i) {
      // Next to 1.5 * 2^23 a float's last bit is 1: the addition rounds to integers, ties to even.
      const std::int32_t k = std::bit_cast<std::int32_t>(scaled[i] + 0x1.8p23f) - 0x4b400000;
      codes[i] = static_cast<std::int8_t>(std::max(-127, std::min(k, 127)));
    }
    for (std::size_t i = 0; i < 64; ++i) y[i] = static_cast<float>(codes[i]) * down;
    out[0] = static_cast<std::byte>(static_cast<std::uint8_t>(e));
    std::memcpy(out + 1, codes, sizeof codes);
  }

  static void decode(const std::byte* in, float* y) {
    const std::int32_t e = static_cast<std::int8_t>(in[0]);
    const float scale = e < least || e > greatest ? std::numeric_limits<float>::quiet_NaN() : power_of_two(e);
    std::int8_t codes[64];
    std::memcpy(codes, in + 1, sizeof codes);
    for (std::size_t i = 0; i < 64; ++i) y[i] = static_cast<float>(codes[i]) * scale;
  }

 private:
  static float power_of_two(std::int32_t e) { return std::bit_cast<float>((e + 127) << 23); }
};

// A quarter of the bytes and one more per 64 elements: per block the least e with max|x| <= 127 * 2^e, numbers rounded
// to the nearest multiple of 2^e, ties to even. The error is at most max|x| / 127 of the block (half a multiple, less
// than that).
// e goes from -126 to 121: multiples are never finer than 2^-126, and beyond 127 * 2^121 numbers become that.
// A block with a NaN or an infinity in it decodes to NaN throughout. Zeros lose their sign.
// As the scale is a power of two, decoded values are coded exactly again, also in a part of their block.
struct int8 : block_codec<int8_blocks> {
  static constexpr std::string_view name = "int8";
};

}  // namespace firecaffe
