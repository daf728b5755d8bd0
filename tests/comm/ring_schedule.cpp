// computes much: schedules of many ranks, step by step
#include "firecaffe/comm/ring_schedule.hpp"

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<ring_schedule>);
static_assert(test::phases_proved_up_to_6<ring_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") { test::check_all_ranks<ring_schedule>(); }

TEST_CASE("sums over threads") { test::check_sums<ring_schedule>(); }

TEST_CASE("equal slices: the least traffic, and no rank ever waits") {
  for (const int ranks : {2, 3, 8, 13, 32})
    for (const std::size_t segments : {1u, 2u, 5u}) {
      const std::size_t elements = 64 * segments * static_cast<std::size_t>(ranks);
      const allreduce_proof p = prove<ring_schedule>(ranks, elements, 64);
      CHECK(p.rounds == ring_schedule::rounds(ranks, segments));
      for (const traffic& t : p.sent) CHECK(t == traffic{2 * (elements - 64 * segments), p.rounds});
    }
}

TEST_CASE("the order of summation goes around the ring") {
  // Rank 0 holds 1 and the others 2^-24: added to 1 one by one they are lost, gathered before they are not.
  constexpr int ranks = 4;
  constexpr std::size_t n = 64 * ranks;
  std::vector<std::vector<float>> data(ranks, std::vector<float>(n, 0x1p-24f));
  data[0].assign(n, 1.0f);
  data = test::run_on_threads<ring_schedule>(data, ranks, 24);
  for (std::size_t i = 0; i < n; ++i) {
    float sum = 0;  // slice s starts at rank s + 1
    for (std::size_t k = 1; k <= ranks; ++k) sum += (i / 64 + k) % ranks == 0 ? 1.0f : 0x1p-24f;
    REQUIRE(data[2][i] == sum);
  }
  REQUIRE(data[2][0] != data[2][n - 1]);
}
