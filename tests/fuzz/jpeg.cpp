#include "firecaffe/data/jpeg.hpp"

#include <cstdlib>
#include <vector>

// libFuzzer: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/jpeg.cpp -ljpeg
// The first five bytes choose the part that is wanted, how far it may be reduced, and the channels; the rest is a file.
// Seeds: see seeds.cpp.
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static fc::data::jpeg_decoder decoder;  // used over and over, as a reader does
  static std::vector<std::uint8_t> memory;
  if (size < 5) return 0;
  const fc::data::image_options o{
      .channels = bytes[4] & 1 ? 1 : 3, .order = fc::data::channel_order(bytes[4] >> 1 & 1), .most_pixels = 1 << 18};
  memory.clear();
  memory.shrink_to_fit();  // so that a write past the end is one
  try {
    decoder.open(bytes + 5, size - 5, "file", o);
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
  } catch (const fc::file_error& e) {
    if (e.offset > size - 5) std::abort();
  }
  return 0;
}
