#pragma once

#include <bit>
#include <cstddef>
#include <string_view>

#include "schedule.hpp"

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

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    const int low_bit = rank & -rank;
    const int reach = rank == 0 ? static_cast<int>(std::bit_ceil(static_cast<unsigned>(ranks))) : low_bit;
    for (std::size_t first = 0, last = 0; first < elements; first = last) {
      last = elements - first > segment ? first + segment : elements;
      for (int distance = 1; distance < reach && distance < ranks - rank; distance *= 2)
        emit(step{step_kind::receive_add, rank + distance, first, last});
      if (rank != 0) {
        emit(step{step_kind::send, rank - low_bit, first, last});
        emit(step{step_kind::receive, rank - low_bit, first, last});
      }
      for (int distance = reach / 2; distance > 0; distance /= 2)  // the greatest subtree first
        if (distance < ranks - rank) emit(step{step_kind::send, rank + distance, first, last});
    }
  }
};

}  // namespace firecaffe
