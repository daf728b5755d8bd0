#pragma once

#include <cstddef>
#include <string_view>

#include "phases.hpp"
#include "slices.hpp"

namespace firecaffe {

// A ring, rank r sending to r + 1 alone: slice by slice the sum is gathered on the way around (reduce-scatter), then
// handed around (allgather). The buffer is cut into one slice per rank (slice_of); after the first phase rank r owns
// slice r. Segments of a slice follow each other without waiting. Any number of ranks.
//
// Every rank sends and receives 2 (p - 1) slices, for p ranks and b bytes about 2 (p - 1)/p b, the least an allreduce
// can do (exactly: elements_sent). With m segments per slice, of equal slices, it takes 2 (p - 1) m rounds.
//
// Order of summation: slice s is summed along the ring, ((x(s+1) + x(s+2)) + x(s+3)) + ... + x(s). So the order depends
// on the element's slice, thereby on the number of ranks and elements, and on nothing else: not on the segments, nor
// on the arrival of messages. Every rank ends with the same bits.
struct ring_schedule {
  static constexpr std::string_view name = "ring";
  static constexpr bool one_owner = false;

  static constexpr slice owned(int rank, int ranks, std::size_t elements) { return slice_of(rank, ranks, elements); }

  template <class Emit>
  static constexpr void reduce(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    around(rank, ranks, elements, segment, step_kind::receive_add, (rank + ranks - 1) % ranks, emit);
  }

  template <class Emit>
  static constexpr void spread(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    around(rank, ranks, elements, segment, step_kind::receive, rank, emit);
  }

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    reduce(rank, ranks, elements, segment, emit);
    spread(rank, ranks, elements, segment, emit);
  }

  // Every slice but its own in the first phase, every slice but its follower's in the second.
  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    if (ranks == 1) return 0;
    return 2 * elements - owned(rank, ranks, elements).size() - owned((rank + 1) % ranks, ranks, elements).size();
  }

  // For equal slices of so many segments.
  static constexpr std::size_t rounds(int ranks, std::size_t segments_per_slice = 1) {
    return 2 * static_cast<std::size_t>(ranks - 1) * segments_per_slice;
  }

 private:
  // Sends slice s on, takes the one before it, sends that on, ...
  template <class Emit>
  static constexpr void around(int rank, int ranks, std::size_t elements, std::size_t segment, step_kind takes, int s,
                               Emit& emit) {
    const int next = (rank + 1) % ranks, before = (rank + ranks - 1) % ranks;
    for (int i = 1; i < ranks; ++i) {
      emit_segments(step_kind::send, next, slice_of(s, ranks, elements), segment, emit);
      s = (s + ranks - 1) % ranks;
      emit_segments(takes, before, slice_of(s, ranks, elements), segment, emit);
    }
  }
};

}  // namespace firecaffe
