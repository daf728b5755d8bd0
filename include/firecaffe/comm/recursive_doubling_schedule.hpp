#pragma once

#include <bit>
#include <cstddef>
#include <string_view>

#include "slices.hpp"

namespace firecaffe {

// Ranks 1, 2, 4, ... apart swap everything they have and add it: the fewest rounds, for messages so small that only
// their number counts. Any number of ranks p: with q the greatest power of two that is not above p, rank q + i first
// sends everything to rank i and is sent the result at the end.
//
// With b bytes and s segments, a rank below q sends and receives log2(q) b in log2(q) s messages, and b in s messages
// more if it has a partner at or above q; ranks from q on send and receive b. One segment takes log2(q) rounds, two
// more if p is no power of two.
//
// Order of summation: x(i) + x(q+i) first, then the pairwise tree ((y0 + y1) + (y2 + y3)) + ... over the q sums: for a
// power of two the bits of tree_schedule. It depends on the number of ranks alone. Every rank ends with the same bits,
// although every rank adds for itself: a + b and b + a are the same.
struct recursive_doubling_schedule {
  static constexpr std::string_view name = "recursive_doubling";

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    const int core = core_of(ranks);
    const auto all = [&](step_kind kind, int peer) { emit_segments(kind, peer, {0, elements}, segment, emit); };
    if (rank >= core) {
      all(step_kind::send, rank - core);
      all(step_kind::receive, rank - core);
      return;
    }
    const bool partner = rank + core < ranks;
    if (partner) all(step_kind::receive_add, rank + core);
    for (int distance = 1; distance < core; distance *= 2) {
      all(step_kind::send, rank ^ distance);
      all(step_kind::receive_add, rank ^ distance);
    }
    if (partner) all(step_kind::send, rank + core);
  }

  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    const int core = core_of(ranks);
    if (rank >= core) return elements;
    return elements * (swaps(ranks) + (rank + core < ranks));
  }

  static constexpr std::size_t rounds(int ranks) { return swaps(ranks) + (core_of(ranks) < ranks ? 2 : 0); }

 private:
  static constexpr int core_of(int ranks) { return static_cast<int>(std::bit_floor(static_cast<unsigned>(ranks))); }
  static constexpr std::size_t swaps(int ranks) {
    return static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(ranks)) - 1);
  }
};

}  // namespace firecaffe
