#include "firecaffe/comm/double_tree_schedule.hpp"

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<double_tree_schedule>);
static_assert(test::phases_proved_up_to_6<double_tree_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") {
  test::check_all_ranks<double_tree_schedule>();
}

TEST_CASE("sums over threads") { test::check_sums<double_tree_schedule>(); }

TEST_CASE("nobody sends or receives more than twice the data; most send all of it") {
  for (int ranks = 2; ranks <= 130; ++ranks) {
    CAPTURE(ranks);
    std::size_t all = 0;
    for (int r = 0; r < ranks; ++r) {
      const std::size_t sent = double_tree_schedule::elements_sent(r, ranks, 1280);
      REQUIRE(sent <= 2 * 1280);
      all += sent;
      std::size_t received = 0;
      for (const step& s : list_steps<double_tree_schedule>(r, ranks, 1280, 1280))
        if (s.kind != step_kind::send) received += s.last - s.first;
      REQUIRE(received == sent);
    }
    REQUIRE(all == 2 * 1280 * static_cast<std::size_t>(ranks - 1));  // every link carries its half up and down
  }
}

TEST_CASE("many segments fill the links") {
  // 4 messages a segment pair at the busiest rank; the proof's greedy rounds are an upper bound.
  for (const int ranks : {8, 16, 64, 100}) {
    const allreduce_proof p = prove<double_tree_schedule>(ranks, 64 * 128, 64);
    CAPTURE(ranks);
    CHECK(p.rounds <= 64 * 4 * 3 / 2);
    CHECK_FALSE(p.single_order);
  }
}
