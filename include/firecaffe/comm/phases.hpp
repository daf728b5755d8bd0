#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "schedule.hpp"
#include "slices.hpp"

namespace firecaffe {

// An allreduce of two phases: `reduce` leaves the sum of the elements `owned(rank, ranks, elements)` with each rank,
// `spread` hands what each rank owns to all. The owned ranges part the buffer. `one_owner` says that one rank, number
// 0, owns everything, however many ranks there are.
template <class Algorithm>
concept two_phase_schedule = flat_schedule<Algorithm> && requires(std::size_t count, step_sink emit) {
  { Algorithm::one_owner } -> std::convertible_to<bool>;
  { Algorithm::owned(0, 1, count) } -> std::same_as<slice>;
  Algorithm::reduce(0, 1, count, count, emit);
  Algorithm::spread(0, 1, count, count, emit);
};

// A name made of parts, for algorithms that are made of others: join_names<Length>({"a<", B::name, ">"}). The length is
// checked by the compiler.
template <std::size_t Length>
constexpr std::array<char, Length> join_names(std::initializer_list<std::string_view> parts) {
  std::array<char, Length> joined{};
  std::size_t at = 0;
  for (const std::string_view part : parts)
    for (const char c : part) joined[at++] = c;
  if (at != Length) throw "the parts are shorter than the name";
  return joined;
}

// The first phase by itself: rank r ends with the sum of owned(r, ranks, elements); the rest of its buffer holds
// unfinished sums. With one owner it is a reduction to rank 0.
template <two_phase_schedule Algorithm>
struct reduce_scatter_schedule {
 private:
  static constexpr auto text = join_names<16 + Algorithm::name.size()>({"reduce_scatter<", Algorithm::name, ">"});

 public:
  static constexpr std::string_view name{text.data(), text.size()};

  static constexpr slice owned(int rank, int ranks, std::size_t elements) {
    return Algorithm::owned(rank, ranks, elements);
  }
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    Algorithm::reduce(rank, ranks, elements, segment, emit);
  }
};

// The second phase by itself: what rank r holds in owned(r, ranks, elements) comes to all ranks, unchanged; whatever
// else the buffers hold is overwritten. With one owner it is a broadcast from rank 0.
template <two_phase_schedule Algorithm>
struct allgather_schedule {
 private:
  static constexpr auto text = join_names<11 + Algorithm::name.size()>({"allgather<", Algorithm::name, ">"});

 public:
  static constexpr std::string_view name{text.data(), text.size()};

  static constexpr slice owned(int rank, int ranks, std::size_t elements) {
    return Algorithm::owned(rank, ranks, elements);
  }
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    Algorithm::spread(rank, ranks, elements, segment, emit);
  }
};

}  // namespace firecaffe
