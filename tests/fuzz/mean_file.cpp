#include "firecaffe/data/mean_file.hpp"

#include <cstdlib>

// A libFuzzer target: run.sh builds and runs it.
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  try {
    const fc::data::mean_image m = fc::data::parse_mean(bytes, size, "mean");
    if (m.extents.channels < 1 || m.extents.height < 1 || m.extents.width < 1 ||
        m.extents.elements() != static_cast<std::int64_t>(m.values.size()))
      std::abort();
  } catch (const fc::file_error& e) {
    if (e.offset > size) std::abort();
  }
  return 0;
}
