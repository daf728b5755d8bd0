#pragma once

#include <cstddef>
#include <string_view>

#include "slices.hpp"

namespace firecaffe {

// Reduction along the line from the last rank to rank 0 and the way back, segment after segment, so that all links are
// busy at once: for few ranks with much data on a network that is a line. Any number of ranks.
//
// With b bytes, the ranks at the ends send and receive b, those between 2 b. With p ranks, one segment takes 2 (p - 1)
// rounds. More segments, s of them, take 2 s + 2 p - 5 rounds, as the ranks between pass everything on twice; two ranks
// need s + 1.
//
// Order of summation: x0 + (x1 + (x2 + ...)), from the last rank on. It depends on the number of ranks alone. Every
// rank ends with the same bits.
struct chain_schedule {
  static constexpr std::string_view name = "pipelined_chain";
  static constexpr bool one_owner = true;

  static constexpr slice owned(int rank, int, std::size_t elements) { return {0, rank == 0 ? elements : 0}; }

  template <class Emit>
  static constexpr void reduce(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    if (rank < ranks - 1) emit_segments(step_kind::receive_add, rank + 1, {0, elements}, segment, emit);
    if (rank > 0) emit_segments(step_kind::send, rank - 1, {0, elements}, segment, emit);
  }

  template <class Emit>
  static constexpr void spread(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    if (rank > 0) emit_segments(step_kind::receive, rank - 1, {0, elements}, segment, emit);
    if (rank < ranks - 1) emit_segments(step_kind::send, rank + 1, {0, elements}, segment, emit);
  }

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    reduce(rank, ranks, elements, segment, emit);
    spread(rank, ranks, elements, segment, emit);
  }

  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    return elements * static_cast<std::size_t>((rank > 0) + (rank < ranks - 1));
  }

  static constexpr std::size_t rounds(int ranks, std::size_t segments = 1) {
    const auto p = static_cast<std::size_t>(ranks);
    return ranks == 1 ? 0 : ranks == 2 ? segments + 1 : segments == 1 ? 2 * (p - 1) : 2 * (segments + p) - 5;
  }
};

}  // namespace firecaffe
