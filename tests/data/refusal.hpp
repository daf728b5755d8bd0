#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/core/error.hpp"

// What a call that reads a file says of it; nothing, where it has no objection.
struct refusal {
  std::string path, what;
  std::uint64_t offset = ~std::uint64_t{0};
  bool says(const std::string& part) const { return what.find(part) != std::string::npos; }
};

template <class Call>
refusal refusal_of(Call&& call) {
  try {
    call();
  } catch (const firecaffe::file_error& e) {
    return {e.path, e.what(), e.offset};
  }
  return {};
}
