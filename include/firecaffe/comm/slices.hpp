#pragma once

#include <algorithm>
#include <cstddef>

#include "schedule.hpp"

namespace firecaffe {

// A range of elements [first, last) of a buffer.
struct slice {
  std::size_t first = 0, last = 0;

  constexpr std::size_t size() const { return last - first; }
  constexpr bool operator==(const slice&) const = default;
};

// Slices of a buffer begin at multiples of so many elements, so that no codec's block and no cache line is cut.
inline constexpr std::size_t slice_alignment = 64;

// Part i of `elements` elements cut into `parts` parts, in order and without gaps. The parts differ by at most one
// block of 64 elements; the last block may be short. With fewer blocks than parts some parts are empty.
constexpr slice slice_of(int i, int parts, std::size_t elements) {
  const std::size_t blocks = elements / slice_alignment + (elements % slice_alignment != 0);
  const auto n = static_cast<std::size_t>(parts);
  const auto cut = [&](int at) {
    const auto k = static_cast<std::size_t>(at);
    const std::size_t block = blocks / n * k + blocks % n * k / n;
    return block < blocks ? block * slice_alignment : elements;
  };
  return {cut(i), cut(i + 1)};
}

// Calls visit(slice) for pieces of `whole` of at most `segment` elements, from the first element to the last.
template <class Visit>
constexpr void for_segments(slice whole, std::size_t segment, Visit&& visit) {
  while (whole.first < whole.last) {
    const std::size_t length = std::min(segment, whole.size());
    visit(slice{whole.first, whole.first + length});
    whole.first += length;
  }
}

// Emits `whole` in messages of at most `segment` elements, from the first element to the last.
template <class Emit>
constexpr void emit_segments(step_kind kind, int peer, slice whole, std::size_t segment, Emit& emit) {
  for_segments(whole, segment, [&](slice s) { emit(step{kind, peer, s.first, s.last}); });
}

// The same messages, the last one first.
template <class Emit>
constexpr void emit_segments_backwards(step_kind kind, int peer, slice whole, std::size_t segment, Emit& emit) {
  while (whole.first < whole.last) {
    const std::size_t rest = whole.size() % segment, length = rest != 0 ? rest : segment;
    emit(step{kind, peer, whole.last - length, whole.last});
    whole.last -= length;
  }
}

}  // namespace firecaffe
