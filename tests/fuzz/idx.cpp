#include "firecaffe/data/idx.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

// A libFuzzer target: run.sh builds and runs it.
// The first byte says how the rest is divided into images and labels. Whatever is not refused must be read in full.
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 3) return 0;
  const std::size_t images = 1 + (size - 2) * bytes[0] / 256, labels = size - 1 - images;
  if (labels == 0) return 0;
  const auto open = [](const std::uint8_t* from, std::size_t n) {
    return fmemopen(const_cast<std::uint8_t*>(from), n, "rb");
  };
  try {
    const fc::data::idx d(fc::data::gzip_reader(open(bytes + 1, images), "images"),
                          fc::data::gzip_reader(open(bytes + 1 + images, labels), "labels"), {.classes = 10});
    if (d.size() == 0) std::abort();
    std::vector<float> values(static_cast<std::size_t>(d.extents().elements()));
    for (std::size_t i = 0; i < d.size(); ++i) {
      std::int32_t label = -1;
      d.read(i, values.data(), &label);
      if (label < 0 || label >= 10) std::abort();
    }
  } catch (const fc::file_error&) {
  }
  return 0;
}
