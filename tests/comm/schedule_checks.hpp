#pragma once

// The checks that every schedule of the library has to pass, against the claims of its header.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "firecaffe/comm/executor.hpp"
#include "firecaffe/comm/local.hpp"
#include "firecaffe/comm/phases.hpp"
#include "firecaffe/comm/proof.hpp"

namespace test {

using namespace firecaffe;

// An allreduce with the same bits everywhere, in the compiler's eyes: as many blocks of 64 elements as ranks, a last
// one that is short, and for few ranks two segments to a block. One evaluation each, as compilers bound the steps of
// one.
template <class Algorithm, int Ranks>
inline constexpr bool proved = is_bitwise_equal<Algorithm>(Ranks, 64 * std::size_t{Ranks} - 30,
                                                           Ranks <= 6 ? 40 : unsegmented);

template <class Algorithm, int Ranks>
inline constexpr bool phases_proved = is_reduce_scatter<reduce_scatter_schedule<Algorithm>>(Ranks,
                                                                                            64 * std::size_t{Ranks} -
                                                                                                30) &&
                                      is_allgather<allgather_schedule<Algorithm>>(Ranks, 64 * std::size_t{Ranks} - 30);

template <class Algorithm, int... Before>
constexpr bool all_proved(std::integer_sequence<int, Before...>) {
  return (proved<Algorithm, Before + 1> && ...);
}
template <class Algorithm, int... Before>
constexpr bool all_phases_proved(std::integer_sequence<int, Before...>) {
  return (phases_proved<Algorithm, Before + 1> && ...);
}

// static_assert(test::proved_up_to_16<ring_schedule>);
template <class Algorithm>
inline constexpr bool proved_up_to_16 = all_proved<Algorithm>(std::make_integer_sequence<int, 16>{});
template <class Algorithm>
inline constexpr bool phases_proved_up_to_6 = all_phases_proved<Algorithm>(std::make_integer_sequence<int, 6>{});

// What a proof found, against the formulas: elements of every rank, rounds.
template <class Algorithm>
void check_formulas(const allreduce_proof& p, int ranks, std::size_t elements, std::size_t segment) {
  std::size_t most = 0;
  for (int r = 0; r < ranks; ++r) {
    const traffic& sent = p.sent[static_cast<std::size_t>(r)];
    REQUIRE(sent.elements == Algorithm::elements_sent(r, ranks, elements));
    REQUIRE(sent == sent_by<Algorithm>(r, ranks, elements, segment));
    most = std::max(most, sent.messages);
  }
  REQUIRE(p.rounds >= most);
  // The formulas for rounds are about slices that exist, uncut.
  if (segment < elements || elements < 64 * static_cast<std::size_t>(ranks)) return;
  if constexpr (requires { Algorithm::rounds_at_most(ranks); })
    REQUIRE(p.rounds <= Algorithm::rounds_at_most(ranks));
  else
    REQUIRE(p.rounds == Algorithm::rounds(ranks));
}

template <class Algorithm>
void check_size(int ranks, std::size_t elements, std::size_t segment) {
  CAPTURE(ranks);
  CAPTURE(elements);
  CAPTURE(segment);
  const allreduce_proof p = prove<Algorithm>(ranks, elements, segment);
  REQUIRE(p);
  REQUIRE(p.same_order);
  check_formulas<Algorithm>(p, ranks, elements, segment);
  if constexpr (two_phase_schedule<Algorithm>) {
    REQUIRE(is_reduce_scatter<reduce_scatter_schedule<Algorithm>>(ranks, elements, segment));
    REQUIRE(is_allgather<allgather_schedule<Algorithm>>(ranks, elements, segment));
  }
}

// All numbers of ranks to 130: no elements, fewer than ranks, fewer than blocks, and many; uncut and in segments.
template <class Algorithm>
void check_all_ranks() {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int ranks = 1; ranks <= 130; ++ranks) {
    const auto p = static_cast<std::size_t>(ranks);
    check_size<Algorithm>(ranks, 0, 1 + random() % 9);
    check_size<Algorithm>(ranks, random() % p, 1 + random() % 9);
    if (ranks <= 40 || ranks % 8 == 1) {
      const std::size_t elements = 64 * p + random() % (200 * p);
      check_size<Algorithm>(ranks, elements, elements);
      check_size<Algorithm>(ranks, elements, 64 * (1 + random() % (2 * p)) + random() % 2);
    } else {
      const std::size_t elements = random() % 2 ? random() % (64 * p) : 64 * p + random();
      check_size<Algorithm>(ranks, elements, random() % 2 ? elements + 1 : elements / (1 + random() % 3) + 1);
    }
  }
}

template <class T>
std::vector<T> random_values(int rank, std::size_t n, unsigned seed) {
  std::mt19937 random{seed * 1000 + static_cast<unsigned>(rank)};
  std::vector<T> v(n);
  for (T& x : v) x = std::uniform_real_distribution<T>{-1, 1}(random);
  return v;
}

// What the ranks hold after the schedule ran on data[rank], each in a thread. `ranks` may be a node_map.
template <class Algorithm, class T, class Ranks>
std::vector<std::vector<T>> run_on_threads(std::vector<std::vector<T>> data, const Ranks& ranks, std::size_t segment,
                                           int window = 2) {
  const std::size_t n = data[0].size();
  local::run(ranks_in(ranks), [&](local::transport wire) {
    executor<local::transport> run{wire, {.window = window, .timeout = std::chrono::seconds{60}}};
    run.template set_up<T>(3, n, list_steps<Algorithm>(wire.rank(), ranks, n, segment));
    run.start(3, std::span<T>{data[static_cast<std::size_t>(wire.rank())]});
    while (!run.finished(3))
      if (!run.poll()) wire.idle();
  });
  return data;
}

// Against a sum in double, and the same bits on every rank.
template <class Algorithm, class T, class Ranks>
void check_sum(const Ranks& ranks, std::size_t n, std::size_t segment, int window, unsigned seed) {
  const int count = ranks_in(ranks);
  CAPTURE(count);
  CAPTURE(n);
  CAPTURE(segment);
  CAPTURE(window);
  CAPTURE(seed);
  std::vector<std::vector<T>> data;
  std::vector<double> expected(n);
  for (int r = 0; r < count; ++r) {
    data.push_back(random_values<T>(r, n, seed));
    for (std::size_t i = 0; i < n; ++i) expected[i] += static_cast<double>(data.back()[i]);
  }
  const auto results = run_on_threads<Algorithm>(std::move(data), ranks, segment, window);
  const double tolerance = static_cast<double>(std::numeric_limits<T>::epsilon()) * count * count;
  bool close = true;
  for (std::size_t i = 0; i < n; ++i) close &= std::abs(static_cast<double>(results[0][i]) - expected[i]) <= tolerance;
  REQUIRE(close);
  for (const std::vector<T>& result : results)
    REQUIRE((n == 0 || std::memcmp(result.data(), results[0].data(), n * sizeof(T)) == 0));
}

template <class Algorithm>
void check_sums() {
  const unsigned seed = std::random_device{}() % 1000000;
  std::mt19937 random{seed};
  for (const int ranks : {1, 2, 3, 4, 5, 7, 8, 12, 33})
    for (const std::size_t n : {std::size_t{1}, std::size_t{random() % 64}, std::size_t{random() % 20000}}) {
      const std::size_t segment = 1 + n / (1 + random() % 20);
      check_sum<Algorithm, float>(ranks, n, segment, 1 + static_cast<int>(random() % 3), seed);
      check_sum<Algorithm, double>(ranks, n, segment, 2, seed);
    }
}

}  // namespace test
