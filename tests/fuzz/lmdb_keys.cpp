#include "firecaffe/data/lmdb_keys.hpp"

#include <cstdlib>
#include <string_view>

// A libFuzzer target: run.sh builds and runs it.
// Two keys and a number of entries: where they are numbered, the digits that are looked for are found in them.
using namespace firecaffe::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 9) return 0;
  std::uint64_t entries = 0;
  for (int i = 0; i < 8; ++i) entries = entries << 8 | bytes[i];
  const std::size_t split = bytes[8] % (size - 8);
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 9, size - 9);
  const std::string_view first = text.substr(0, split), last = text.substr(split);
  const std::size_t digits = numbered_digits(first, last, entries);
  if (digits > 0) {
    char key[20];
    if (digits > 19) std::abort();
    write_number(key, digits, entries - 1);
    if (last.substr(0, digits) != std::string_view(key, digits) || !has_number(last, digits, entries - 1)) std::abort();
    write_number(key, digits, 0);
    if (first.substr(0, digits) != std::string_view(key, digits)) std::abort();
    if (entries > 1 && has_number(first, digits, entries - 1)) std::abort();
  }
  return 0;
}
