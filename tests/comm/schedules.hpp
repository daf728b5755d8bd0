#pragma once

// Schedules for tests: one that is right only for powers of two, and a plain one to break.
#include <algorithm>
#include <cstddef>
#include <string_view>

#include "firecaffe/comm/schedule.hpp"

namespace test {

using firecaffe::step;
using firecaffe::step_kind;

// Recursive doubling that forgets the ranks beyond a power of two.
struct unfolded_schedule {
  static constexpr std::string_view name = "unfolded";
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
