// computes much: schedules of many ranks, step by step
#include "firecaffe/comm/parameter_server_schedule.hpp"

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<parameter_server_schedule<>>);
static_assert(test::proved_up_to_16<parameter_server_schedule<3>>);
static_assert(test::phases_proved_up_to_6<parameter_server_schedule<2>>);

static_assert(parameter_server_schedule<>::name == "parameter_server<1>");
static_assert(parameter_server_schedule<120>::name == "parameter_server<120>");

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") {
  SUBCASE("one server") { test::check_all_ranks<parameter_server_schedule<1>>(); }
  SUBCASE("two servers") { test::check_all_ranks<parameter_server_schedule<2>>(); }
  SUBCASE("seven servers") { test::check_all_ranks<parameter_server_schedule<7>>(); }
}

TEST_CASE("sums over threads") {
  test::check_sums<parameter_server_schedule<1>>();
  test::check_sums<parameter_server_schedule<4>>();
}

TEST_CASE("one server: everything to it and back, in one order") {
  for (const int ranks : {2, 9, 20}) {
    const allreduce_proof p = prove<parameter_server_schedule<>>(ranks, 1000);
    CHECK(p.single_order);
    CHECK(p.rounds == 2 * static_cast<std::size_t>(ranks - 1));
    CHECK(p.sent[0].elements == 1000 * static_cast<std::size_t>(ranks - 1));
    for (std::size_t r = 1; r < p.sent.size(); ++r) CHECK(p.sent[r] == traffic{1000, 1});
  }
  const auto sums = test::run_on_threads<parameter_server_schedule<>>(
      std::vector<std::vector<float>>{{0x1p-24f, 1.0f}, {0x1p-24f, 0x1p-24f}, {1.0f, 0x1p-24f}}, 3, 1);
  CHECK(sums[2] == std::vector<float>{1.0f + 0x1p-23f, 1.0f});  // rank 0, 1, 2
}

TEST_CASE("as many servers as ranks, or more") {
  for (int ranks = 2; ranks < 8; ++ranks)
    for (int r = 0; r < ranks; ++r)
      CHECK(parameter_server_schedule<8>::elements_sent(r, ranks, 64 * static_cast<std::size_t>(ranks)) ==
            128 * static_cast<std::size_t>(ranks - 1));
}
