#include "firecaffe/data/hdf5.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

// A libFuzzer target: run.sh builds and runs it.
// The library itself is not proof against malformed files: what it does
// to memory is only seen where it is built with the sanitizers, too.
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const int file = memfd_create("fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
  for (const bool in_memory : {true, false}) {
    try {
      const fc::data::hdf5 d({path}, {.in_memory = in_memory});
      std::vector<float> values(static_cast<std::size_t>(d.extents().elements()));
      for (std::size_t i = 0; i < d.size() && i < 100; ++i) {
        std::int32_t label = 0;
        d.read(i, values.data(), &label);
      }
    } catch (const fc::file_error&) {
    }
  }
  return 0;
}
