#include "firecaffe/data/cifar.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

// A libFuzzer target: run.sh builds and runs it.
// The first byte chooses the labels. Records are long (-max_len=10000): seeds are files of zeros of 3073 and 3074
// bytes.
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) return 0;
  std::FILE* file = fmemopen(const_cast<std::uint8_t*>(bytes + 1), size - 1, "rb");
  try {
    const fc::data::cifar d({.labels = fc::data::cifar_labels(bytes[0] % 3)}, fc::data::gzip_reader(file, "images"));
    if (d.size() == 0) std::abort();
    std::vector<float> values(fc::data::cifar::pixels);
    for (std::size_t i = 0; i < d.size(); ++i) {
      std::int32_t label = -1;
      d.read(i, values.data(), &label);
      if (label < 0 || label >= d.classes()) std::abort();
    }
  } catch (const fc::file_error&) {
  }
  return 0;
}
