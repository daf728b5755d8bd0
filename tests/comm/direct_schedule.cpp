// computes much: schedules of many ranks, step by step
#include "firecaffe/comm/direct_schedule.hpp"

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<direct_schedule>);
static_assert(test::phases_proved_up_to_6<direct_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") {
  test::check_all_ranks<direct_schedule>();
}

TEST_CASE("sums over threads") { test::check_sums<direct_schedule>(); }

TEST_CASE("a rank hears from the ranks after it, in this order") {
  constexpr int ranks = 4;
  constexpr std::size_t n = 64 * ranks;
  std::vector<std::vector<float>> data(ranks, std::vector<float>(n, 0x1p-24f));
  data[0].assign(n, 1.0f);
  data = test::run_on_threads<direct_schedule>(data, ranks, 24);
  for (std::size_t i = 0; i < n; ++i) {
    float sum = 0;
    for (std::size_t k = 0; k < ranks; ++k) sum += (i / 64 + k) % ranks == 0 ? 1.0f : 0x1p-24f;
    REQUIRE(data[3][i] == sum);
  }
  REQUIRE(data[3][0] != data[3][64]);
}

TEST_CASE("equal slices: the least traffic, a message for every other rank and phase") {
  for (const int ranks : {2, 5, 16})
    for (const traffic& t : prove<direct_schedule>(ranks, 128 * static_cast<std::size_t>(ranks)).sent)
      CHECK(t == traffic{256 * static_cast<std::size_t>(ranks - 1), 2 * static_cast<std::size_t>(ranks - 1)});
}
