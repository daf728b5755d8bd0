#pragma once

#include <string_view>

namespace firecaffe {

// The compiler's own spelling of a type: the same in every process of one program.
template <class T>
constexpr std::string_view type_name() {
  const std::string_view whole = __PRETTY_FUNCTION__;
  const std::size_t first = whole.find("T = ") + 4;
  const std::size_t last = whole.find_first_of(";]", first);
  return whole.substr(first, last - first);
}

}  // namespace firecaffe
