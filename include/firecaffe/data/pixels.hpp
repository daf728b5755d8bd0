#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "image.hpp"

namespace firecaffe::data {

// How compressed images are decoded.
struct image_options {
  int channels = 3;  // 3: grey images have the same in all; 1: colour becomes luma. Alpha is dropped.
  channel_order order = channel_order::rgb;
  std::int64_t most_pixels = std::int64_t{1} << 26;  // of one image; a larger one is refused before it is decoded
};

inline void check(const image_options& o) {
  if (o.channels != 1 && o.channels != 3) throw usage_error("data::image_options: images have 1 channel or 3");
  if (o.most_pixels < 1) throw usage_error("data::image_options: most_pixels must be at least 1");
}

// Throws file_error where the header's width and height are too large.
inline void check_size(const std::string& name, std::int64_t height, std::int64_t width, std::int64_t most) {
  if (height < 1 || width < 1 || height > most / width)
    throw file_error(name, 0,
                     "claims " + std::to_string(height) + " x " + std::to_string(width) + " pixels, expected 1 to " +
                         std::to_string(most));
}

// Luma of ITU-R BT.601, as JPEG has it: 0.299 R + 0.587 G + 0.114 B, rounded. In 16 bits after the point.
constexpr std::uint8_t luma(unsigned r, unsigned g, unsigned b) {
  return static_cast<std::uint8_t>((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
}

// Makes interleaved RGB pixels grey, each in its first byte.
inline void make_grey(std::uint8_t* pixels, std::size_t count, std::size_t stride) {
  for (std::size_t i = 0; i < count; ++i, pixels += stride) pixels[0] = luma(pixels[0], pixels[1], pixels[2]);
}

// At least that many bytes, old contents of no interest: memory is kept, and written to once only.
inline std::uint8_t* room(std::vector<std::uint8_t>& v, std::size_t bytes) {
  if (v.size() < bytes) v.resize(bytes);
  return v.data();
}

// Rows of interleaved pixels of `stored` bytes, grey or RGB and perhaps more, as `o` wants to see them.
inline image_view interleaved_view(const std::uint8_t* bytes, int height, int width, int stored, bool grey,
                                   const image_options& o) {
  image_view v{bytes, nullptr, o.channels, height, width, grey ? 0 : 1, std::ptrdiff_t{width} * stored, stored};
  return o.order == channel_order::bgr ? reversed_channels(v) : v;
}

}  // namespace firecaffe::data
