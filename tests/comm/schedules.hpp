#pragma once

// Schedules for tests: right ones that differ from the tree, and broken ones.
#include <algorithm>
#include <cstddef>
#include <string_view>

#include "firecaffe/comm/schedule.hpp"

namespace test {

using firecaffe::step;
using firecaffe::step_kind;

// Reduce-scatter and allgather around a ring, one chunk per rank. The order of summation differs from chunk to chunk.
struct ring_schedule {
  static constexpr std::string_view name = "ring";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t, Emit&& emit) {
    const auto chunk = [&](step_kind kind, int peer, int c) {
      const auto k = static_cast<std::size_t>((c % ranks + ranks) % ranks), n = static_cast<std::size_t>(ranks);
      emit(step{kind, peer, elements * k / n, elements * (k + 1) / n});
    };
    const int next = (rank + 1) % ranks, before = (rank + ranks - 1) % ranks;
    for (int i = 0; i < ranks - 1; ++i) {
      chunk(step_kind::send, next, rank - i);
      chunk(step_kind::receive_add, before, rank - i - 1);
    }
    for (int i = 0; i < ranks - 1; ++i) {
      chunk(step_kind::send, next, rank - i + 1);
      chunk(step_kind::receive, before, rank - i);
    }
  }
};

// Everybody swaps everything with the rank 1, 2, 4, ... away: needs a power of two, and receives beside the buffer.
struct doubling_schedule {
  static constexpr std::string_view name = "recursive doubling";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t, Emit&& emit) {
    for (int distance = 1; distance < ranks; distance *= 2) {
      emit(step{step_kind::send, rank ^ distance, 0, elements});
      emit(step{step_kind::receive_add, rank ^ distance, 0, elements});
    }
  }
};

// All at once to rank 0 and back.
struct star_schedule {
  static constexpr std::string_view name = "star";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for (std::size_t first = 0; first < elements; first += std::min(segment, elements - first)) {
      const std::size_t last = first + std::min(segment, elements - first);
      for (int r = 1; r < ranks; ++r)
        if (rank == 0) emit(step{step_kind::receive_add, r, first, last});
      if (rank != 0) emit(step{step_kind::send, 0, first, last});
      if (rank != 0) emit(step{step_kind::receive, 0, first, last});
      for (int r = 1; r < ranks; ++r)
        if (rank == 0) emit(step{step_kind::send, r, first, last});
    }
  }
};

}  // namespace test
