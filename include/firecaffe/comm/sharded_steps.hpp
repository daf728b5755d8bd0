#pragma once

#include <algorithm>
#include <cstddef>

#include "schedule.hpp"
#include "slices.hpp"

namespace firecaffe {

// The common part of direct_schedule and parameter_server_schedule: the first `Owners` ranks (all, if there are fewer)
// own a slice each, add all others' to it, in the order of the ranks after theirs, and hand the sum to all.
template <int Owners>
struct sharded_steps {
  static_assert(Owners >= 1);
  static constexpr bool one_owner = Owners == 1;

  static constexpr int owners(int ranks) { return std::min(Owners, ranks); }

  static constexpr slice owned(int rank, int ranks, std::size_t elements) {
    return rank < owners(ranks) ? slice_of(rank, owners(ranks), elements) : slice{};
  }

  // In round d everybody sends to the rank d before, so that an owner hears from one rank at a time.
  template <class Emit>
  static constexpr void reduce(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for (int d = 1; d < ranks; ++d) {
      const int before = (rank + ranks - d) % ranks, after = (rank + d) % ranks;
      emit_segments(step_kind::send, before, owned(before, ranks, elements), segment, emit);
      emit_segments(step_kind::receive_add, after, owned(rank, ranks, elements), segment, emit);
    }
  }

  template <class Emit>
  static constexpr void spread(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for (int d = 1; d < ranks; ++d) {
      const int before = (rank + ranks - d) % ranks, after = (rank + d) % ranks;
      emit_segments(step_kind::send, after, owned(rank, ranks, elements), segment, emit);
      emit_segments(step_kind::receive, before, owned(before, ranks, elements), segment, emit);
    }
  }

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    reduce(rank, ranks, elements, segment, emit);
    spread(rank, ranks, elements, segment, emit);
  }

  // The others' slices to their owners, its own to everybody.
  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    const std::size_t own = owned(rank, ranks, elements).size();
    return ranks == 1 ? 0 : elements - own + static_cast<std::size_t>(ranks - 1) * own;
  }

  static constexpr std::size_t rounds(int ranks) { return 2 * static_cast<std::size_t>(ranks - 1); }
};

}  // namespace firecaffe
