#pragma once

#include <bit>
#include <cstddef>
#include <string_view>

#include "slices.hpp"

namespace firecaffe {

// Binomial reduction to rank 0 followed by binomial broadcast, segment by segment, so that the broadcast of one segment
// overlaps the reduction of the next (the reduction tree of FireCaffe, arXiv 1511.00175, section 5.2). Any number of
// ranks.
//
// Rank r has the children r + 1, r + 2, r + 4, ... below both r + (lowest set bit of r) and `ranks`; its parent is r
// less its lowest set bit. With c children, b bytes and s segments, rank r
//   sends    (c + 1) b bytes in (c + 1) s messages, rank 0 sends c b bytes in c s messages,
//   receives as much.
// With L = ceil(log2 ranks), the busiest rank (0) sends and receives L b bytes. One segment takes 2 L rounds, in which
// no rank sends or receives more than one message; s segments take at least (s + 1) L.
//
// Order of summation: x(r) + child(r + 1), + child(r + 2), + child(r + 4), ...; for a power of two this is the pairwise
// tree ((x0 + x1) + (x2 + x3)) + .... It depends on the number of ranks alone: not on the segments, the element's place
// or the arrival of messages. Every rank ends with the same bits.
struct tree_schedule {
  static constexpr std::string_view name = "tree";
  static constexpr bool one_owner = true;

  static constexpr slice owned(int rank, int, std::size_t elements) { return {0, rank == 0 ? elements : 0}; }

  template <class Emit>
  static constexpr void reduce(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for_segments({0, elements}, segment, [&](slice s) { reduce_segment(rank, ranks, s, emit); });
  }

  template <class Emit>
  static constexpr void spread(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for_segments({0, elements}, segment, [&](slice s) { spread_segment(rank, ranks, s, emit); });
  }

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for_segments({0, elements}, segment, [&](slice s) {
      reduce_segment(rank, ranks, s, emit);
      spread_segment(rank, ranks, s, emit);
    });
  }

  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    std::size_t links = rank != 0;
    for (int distance = 1; distance < reach(rank, ranks) && distance < ranks - rank; distance *= 2) ++links;
    return links * elements;
  }

  static constexpr std::size_t rounds(int ranks) {
    return 2 * static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(ranks - 1)));
  }

 private:
  // The ranks of a subtree go no farther.
  static constexpr int reach(int rank, int ranks) {
    return rank == 0 ? static_cast<int>(std::bit_ceil(static_cast<unsigned>(ranks))) : rank & -rank;
  }

  template <class Emit>
  static constexpr void reduce_segment(int rank, int ranks, slice s, Emit& emit) {
    for (int distance = 1; distance < reach(rank, ranks) && distance < ranks - rank; distance *= 2)
      emit(step{step_kind::receive_add, rank + distance, s.first, s.last});
    if (rank != 0) emit(step{step_kind::send, rank - (rank & -rank), s.first, s.last});
  }

  template <class Emit>
  static constexpr void spread_segment(int rank, int ranks, slice s, Emit& emit) {
    if (rank != 0) emit(step{step_kind::receive, rank - (rank & -rank), s.first, s.last});
    for (int distance = reach(rank, ranks) / 2; distance > 0; distance /= 2)  // the greatest subtree first
      if (distance < ranks - rank) emit(step{step_kind::send, rank + distance, s.first, s.last});
  }
};

}  // namespace firecaffe
