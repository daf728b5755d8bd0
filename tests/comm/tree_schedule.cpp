#include "firecaffe/comm/tree_schedule.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <random>

#include "firecaffe/comm/proof.hpp"

using namespace firecaffe;

namespace {

// The claims of the header for one size, with two segments (the last one short).
constexpr bool holds(int ranks) {
  const allreduce_proof p = prove<tree_schedule>(ranks, 3, 2);
  return p && p.same_order && p.single_order;
}

int children(int rank, int ranks) {
  int count = 0;
  for (int d = 1; (rank == 0 || d < (rank & -rank)) && rank + d < ranks; d *= 2) ++count;
  return count;
}

}  // namespace

// One evaluation each: compilers bound the steps of one constant expression.
static_assert(holds(1));
static_assert(holds(2));
static_assert(holds(3));
static_assert(holds(4));
static_assert(holds(5));
static_assert(holds(6));
static_assert(holds(7));
static_assert(holds(8));
static_assert(holds(9));
static_assert(holds(10));
static_assert(holds(11));
static_assert(holds(12));
static_assert(holds(13));
static_assert(holds(14));
static_assert(holds(15));
static_assert(holds(16));

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int ranks = 1; ranks <= 130; ++ranks)
    for (std::size_t elements : {std::size_t{0}, std::size_t{1}, std::size_t{random() % 40}, std::size_t{random()}}) {
      const std::size_t segment = elements < 40 ? 1 + random() % 7 : elements / (1 + random() % 4) + random() % 5 + 1;
      CAPTURE(ranks);
      CAPTURE(elements);
      CAPTURE(segment);
      const allreduce_proof p = prove<tree_schedule>(ranks, elements, segment);
      REQUIRE(p);
      REQUIRE(p.single_order);
      const std::size_t segments = (elements + segment - 1) / segment;
      const auto depth = static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(ranks - 1)));
      if (segments == 1) REQUIRE(p.rounds == 2 * depth);
      REQUIRE(p.rounds >= (segments == 0 ? 0 : (segments + 1) * depth));
      REQUIRE(p.rounds <= 2 * depth * segments);
      for (int r = 0; r < ranks; ++r) {
        const auto links = static_cast<std::size_t>(children(r, ranks) + (r != 0));
        REQUIRE(p.sent[static_cast<std::size_t>(r)].elements == links * elements);
        REQUIRE(p.sent[static_cast<std::size_t>(r)].messages == links * segments);
      }
    }
}

TEST_CASE("a power of two is a pairwise tree: half the ranks, each with the sum of a pair, give the same bits") {
  std::mt19937 random{7};
  const auto tree_sum = [](std::vector<float> x) {  // runs the steps of all ranks, rank by rank from the leaves
    const int ranks = static_cast<int>(x.size());
    for (int r = ranks - 1; r >= 0; --r)
      for (const step& s : list_steps<tree_schedule>(r, ranks, 1, 1))
        if (s.kind == step_kind::receive_add) x[static_cast<std::size_t>(r)] += x[static_cast<std::size_t>(s.peer)];
    return x[0];
  };
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::vector<float> x(64);
    for (float& v : x) v = std::uniform_real_distribution<float>{-1, 1}(random);
    const float expected = tree_sum(x);
    while (x.size() > 1) {
      for (std::size_t i = 0; i < x.size() / 2; ++i) x[i] = x[2 * i] + x[2 * i + 1];
      x.resize(x.size() / 2);
      REQUIRE(tree_sum(x) == expected);
    }
  }
}
