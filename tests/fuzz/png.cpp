#include "firecaffe/data/png.hpp"

#include <zlib.h>

#include <cstdlib>
#include <vector>

#include "read_part.hpp"

// A libFuzzer target: run.sh builds and runs it.
// The first five bytes choose the part that is wanted, how far it may be reduced, and the channels; the rest is a file.
// Check sums are made right first, for otherwise nearly everything is refused for them.
namespace fc = firecaffe;

static void right_check_sums(std::vector<std::uint8_t>& file) {
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::uint8_t* b = file.data() + at;
    const std::size_t length = std::size_t{b[0]} << 24 | std::size_t{b[1]} << 16 | std::size_t{b[2]} << 8 | b[3];
    if (length > file.size() - at - 12) return;
    const auto sum = static_cast<std::uint32_t>(crc32(0, b + 4, static_cast<uInt>(length + 4)));
    for (std::size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    at += 12 + length;
  }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static fc::data::png_decoder decoder;  // used over and over, as a reader does
  static std::vector<std::uint8_t> memory;
  if (size < 5) return 0;
  const fc::data::image_options o{
      .channels = bytes[4] & 1 ? 1 : 3, .order = fc::data::channel_order(bytes[4] >> 1 & 1), .most_pixels = 1 << 18};
  std::vector<std::uint8_t> file(bytes + 5, bytes + size);
  right_check_sums(file);
  memory.clear();
  memory.shrink_to_fit();  // so that a write past the end is one
  try {
    decoder.open(file.data(), file.size(), "file", o);
    read_part(decoder, bytes, o, memory);
  } catch (const fc::file_error& e) {
    if (e.offset > size - 5) std::abort();
  }
  return 0;
}
