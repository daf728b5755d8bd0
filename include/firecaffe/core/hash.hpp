#pragma once

#include <cstdint>
#include <string_view>

namespace firecaffe {

// FNV-1a of `text`, behind whatever `from` is the hash of.
constexpr std::uint64_t hash_of(std::string_view text, std::uint64_t from = 0xcbf29ce484222325) {
  for (const char c : text) from = (from ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return from;
}

}  // namespace firecaffe
