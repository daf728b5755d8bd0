#include "firecaffe/data/datum.hpp"

#include <cstdlib>
#include <memory>
#include <vector>

// A libFuzzer target: run.sh builds and runs it.
// Whatever is not refused must be read in full. (Whole LMDB files are not fuzzed: liblmdb trusts their pages.)
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static std::vector<float> floats;  // used over and over, as a reader does
  try {
    const fc::data::datum d = fc::data::parse_datum(bytes, size, "datum", floats);
    double sum = 0;
    if (d.encoded) {
      for (std::size_t i = 0; i < d.size; ++i) sum += d.bytes[i];
    } else {
      const fc::data::image_view& v = d.view;
      for (int c = 0; c < v.channels; ++c)
        for (int y = 0; y < v.height; ++y)
          for (int x = 0; x < v.width; ++x) {
            const std::ptrdiff_t at = c * v.channel + y * v.row + x * v.pixel;
            sum += v.bytes ? v.bytes[at] : v.floats[at];
          }
    }
    if (sum == 0.123) std::abort();
  } catch (const fc::file_error& e) {
    if (e.offset > size) std::abort();
  }
  return 0;
}
