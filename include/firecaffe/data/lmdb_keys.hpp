#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace firecaffe::data {

// Caffe's tools name records by their number, in a fixed number of digits, and perhaps something more:
// 00000012_cat.jpg. Where a database's first and last key are so numbered, 0 and entries - 1, sample i is found by its
// digits, and no key is kept.

// How many digits the key begins with.
inline std::size_t leading_digits(std::string_view key) {
  return std::min(key.find_first_not_of("0123456789"), key.size());
}

// Whether a key begins with exactly these digits for `index`.
inline bool has_number(std::string_view key, std::size_t digits, std::uint64_t index) {
  if (leading_digits(key) != digits) return false;
  for (std::size_t i = digits; i-- > 0; index /= 10)
    if (key[i] != static_cast<char>('0' + index % 10)) return false;
  return index == 0;
}

// The digits of a numbered database's keys, 0 where it is none.
inline std::size_t numbered_digits(std::string_view first, std::string_view last, std::uint64_t entries) {
  const std::size_t digits = leading_digits(first);
  if (digits == 0 || digits > 19 || entries == 0) return 0;
  return has_number(first, digits, 0) && has_number(last, digits, entries - 1) ? digits : 0;
}

// Writes the digits of `index`, without end.
inline void write_number(char* to, std::size_t digits, std::uint64_t index) {
  for (std::size_t i = digits; i-- > 0; index /= 10) to[i] = static_cast<char>('0' + index % 10);
}

// All keys in one piece of memory, for the other databases: their bytes and 8 more each.
class key_table {
 public:
  void add(std::string_view key) {
    bytes_.insert(bytes_.end(), key.begin(), key.end());
    ends_.push_back(bytes_.size());
  }
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::size_t first = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + first, ends_[i] - first};
  }

 private:
  std::vector<char> bytes_;
  std::vector<std::uint64_t> ends_;
};

}  // namespace firecaffe::data
