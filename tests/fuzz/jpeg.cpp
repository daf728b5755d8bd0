#include "firecaffe/data/jpeg.hpp"

#include <cstdlib>
#include <vector>

#include "read_part.hpp"

// A libFuzzer target: run.sh builds and runs it.
// The first five bytes choose the part that is wanted, how far it may be reduced, and the channels; the rest is a file.
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
    read_part(decoder, bytes, o, memory);
  } catch (const fc::file_error& e) {
    if (e.offset > size - 5) std::abort();
  }
  return 0;
}
