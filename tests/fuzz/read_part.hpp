#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "firecaffe/data/image.hpp"
#include "firecaffe/data/pixels.hpp"

// Decodes the part of an opened image that the first five bytes of the input choose, and reads all of it.
template <class Decoder>
void read_part(Decoder& decoder, const std::uint8_t* bytes, const firecaffe::data::image_options& o,
               std::vector<std::uint8_t>& memory) {
  namespace fc = firecaffe;
  const int h = decoder.height(), w = decoder.width();
  fc::data::image_part part;
  part.top = bytes[0] * (h - 1) / 255;
  part.left = bytes[1] * (w - 1) / 255;
  part.height = 1 + bytes[2] * (h - part.top - 1) / 255;
  part.width = 1 + bytes[3] * (w - part.left - 1) / 255;
  part.least_height = part.height * (bytes[4] >> 4) / 16;
  part.least_width = part.width * (bytes[4] >> 4) / 16;
  const fc::data::image_view v = decoder.decode(part, "file", o, memory);
  unsigned sum = 0;
  for (int c = 0; c < v.channels; ++c)
    for (int y = 0; y < v.height; ++y)
      for (int x = 0; x < v.width; ++x) {
        const std::uint8_t* at = v.bytes + c * v.channel + y * v.row + x * v.pixel;
        if (at < memory.data() || at >= memory.data() + memory.size()) std::abort();
        sum += *at;
      }
  if (v.channels != o.channels || v.height < 1 || v.width < 1 || sum > 255u * (1u << 20)) std::abort();
}
