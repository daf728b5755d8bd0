#include "firecaffe/comm/chain_schedule.hpp"

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<chain_schedule>);
static_assert(test::phases_proved_up_to_6<chain_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") { test::check_all_ranks<chain_schedule>(); }

TEST_CASE("sums over threads") { test::check_sums<chain_schedule>(); }

TEST_CASE("segments follow each other") {
  for (int ranks = 1; ranks < 20; ++ranks)
    for (const std::size_t segments : {1u, 2u, 3u, 10u, 31u}) {
      CAPTURE(ranks);
      CAPTURE(segments);
      const allreduce_proof p = prove<chain_schedule>(ranks, 7 * segments, 7);
      REQUIRE(p.single_order);
      REQUIRE(p.rounds == chain_schedule::rounds(ranks, segments));
    }
}

TEST_CASE("summed from the last rank on") {
  const auto sums = test::run_on_threads<chain_schedule>(
      std::vector<std::vector<float>>{{0x1p-24f, 1.0f}, {0x1p-24f, 0x1p-24f}, {1.0f, 0x1p-24f}}, 3, 1);
  CHECK(sums[1] == std::vector<float>{1.0f, 1.0f + 0x1p-23f});
}
