#include <cstdlib>
#include <string_view>

#include "firecaffe/data/file_table.hpp"

// A libFuzzer target: run.sh builds and runs it.
// The first byte is the number of classes. What is not refused has names that are not empty and labels in range.
namespace fc = firecaffe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 1) return 0;
  try {
    const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    const fc::data::file_table t = fc::data::parse_list("list", text, bytes[0]);
    if (t.size() == 0) std::abort();
    for (std::size_t i = 0; i < t.size(); ++i)
      if (t.name(i).empty() || t.name(i).find('\0') != std::string_view::npos ||
          (bytes[0] > 0 && (t.label(i) < 0 || t.label(i) >= bytes[0])))
        std::abort();
  } catch (const fc::file_error&) {
  }
  return 0;
}
