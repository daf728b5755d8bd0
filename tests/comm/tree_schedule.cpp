#include "firecaffe/comm/tree_schedule.hpp"

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<tree_schedule>);
static_assert(test::phases_proved_up_to_6<tree_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") { test::check_all_ranks<tree_schedule>(); }

TEST_CASE("sums over threads") { test::check_sums<tree_schedule>(); }

TEST_CASE("segments take no longer than one after the other; one order for all of them") {
  for (int ranks = 1; ranks <= 70; ++ranks)
    for (const std::size_t segments : {1u, 2u, 5u}) {
      const allreduce_proof p = prove<tree_schedule>(ranks, 9 * segments, 9);
      REQUIRE(p.single_order);
      REQUIRE(p.rounds >= (segments + 1) * tree_schedule::rounds(ranks) / 2);
      REQUIRE(p.rounds <= segments * tree_schedule::rounds(ranks));
      for (const traffic& t : p.sent) REQUIRE(t.messages * 9 == t.elements);
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
