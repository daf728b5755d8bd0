#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "block_codec.hpp"

namespace firecaffe {

// size < limit ? below : above, for numbers that are not negative. By a mask of the difference's sign: of a conditional
// expression with floating-point arithmetic in it compilers make branches, and then no vectors of the loop.
constexpr std::int32_t choose(std::int32_t size, std::int32_t limit, std::int32_t below, std::int32_t above) {
  return above ^ ((below ^ above) & (size - limit) >> 31);
}

// The 16-bit codes of bfloat16: the upper half of a float, 8 significant bits.
struct bf16_format {
  static constexpr std::uint16_t code(float x) {
    const std::int32_t bits = std::bit_cast<std::int32_t>(x), size = bits & 0x7fffffff;
    const std::int32_t within = std::min(size, greatest);
    const std::int32_t finite = (within + 0x7fff + (within >> 16 & 1)) >> 16;
    const std::int32_t special = size >> 16 | choose(size, infinity + 1, 0, 0x40);  // a NaN stays one, and quiet
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | choose(size, infinity, finite, special));
  }

  static constexpr float value(std::uint16_t code) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(code) << 16);
  }

 private:
  static constexpr std::int32_t infinity = 0x7f800000, greatest = 0x7f7f0000;
};

// The 16-bit codes of IEEE 754 binary16: 11 significant bits, 5 of exponent.
struct fp16_format {
  static constexpr std::uint16_t code(float x) {
    const std::int32_t bits = std::bit_cast<std::int32_t>(x), size = bits & 0x7fffffff;
    // Next to 0.5 a float's last bit is 2^-24, the step of subnormal codes: the addition rounds to it.
    const float beside_half = std::bit_cast<float>(size) + 0.5f;
    const std::int32_t subnormal = std::bit_cast<std::int32_t>(beside_half) - 0x3f000000;
    const std::int32_t within = std::min(size, greatest);
    const std::int32_t normal = (within - rebias + 0xfff + (within >> 13 & 1)) >> 13;
    const std::int32_t special = 0x7c00 | choose(size, infinity + 1, 0, 0x200 | (size >> 13 & 0x1ff));
    const std::int32_t finite = choose(size, least_normal, subnormal, normal);
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | choose(size, infinity, finite, special));
  }

  static constexpr float value(std::uint16_t code) {
    const std::int32_t size = (code & 0x7fff) << 13;
    const std::int32_t normal = size + rebias + choose(size, 0x7c00 << 13, 0, rebias);
    // The code as the last bits beside 2^-14, which is then taken off.
    const float beside = std::bit_cast<float>(size + least_normal);
    const std::int32_t subnormal = std::bit_cast<std::int32_t>(beside - std::bit_cast<float>(least_normal));
    const std::int32_t bits = choose(size, 0x400 << 13, subnormal, normal);
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) | static_cast<std::uint32_t>(code & 0x8000) << 16);
  }

 private:
  static constexpr std::int32_t infinity = 0x7f800000;
  static constexpr std::int32_t rebias = (127 - 15) << 23;
  static constexpr std::int32_t least_normal = (127 - 14) << 23;     // 2^-14 as a float
  static constexpr std::int32_t greatest = rebias + (0x7bff << 13);  // 65504
};

// Blocks of numbers that are coded one by one in 16 bits.
template <class Format>
struct half_blocks {
  static constexpr std::size_t header_bytes = 0, code_bytes = 2;

  static void encode(const float* x, float* y, std::byte* out) {
    std::uint16_t codes[64];
    for (std::size_t i = 0; i < 64; ++i) codes[i] = Format::code(x[i]);
    for (std::size_t i = 0; i < 64; ++i) y[i] = Format::value(codes[i]);
    std::memcpy(out, codes, sizeof codes);
  }

  static void decode(const std::byte* in, float* y) {
    std::uint16_t codes[64];
    std::memcpy(codes, in, sizeof codes);
    for (std::size_t i = 0; i < 64; ++i) y[i] = Format::value(codes[i]);
  }
};

// Half the bytes. Rounds to nearest, ties to even. Subnormal numbers are kept, infinity and NaN stay what they are, and
// what is finite stays finite: values beyond the greatest finite code become that.
// bf16: the range of float; relative error at most 2^-8, absolute error at most 2^-134 below 2^-126.
struct bf16 : block_codec<half_blocks<bf16_format>> {
  static constexpr std::string_view name = "bf16";
};

// fp16: up to 65504; relative error at most 2^-11, absolute error at most 2^-25 below 2^-14.
struct fp16 : block_codec<half_blocks<fp16_format>> {
  static constexpr std::string_view name = "fp16";
};

}  // namespace firecaffe
