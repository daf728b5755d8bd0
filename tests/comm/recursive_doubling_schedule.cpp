#include "firecaffe/comm/recursive_doubling_schedule.hpp"

#include "firecaffe/comm/tree_schedule.hpp"
#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<recursive_doubling_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") {
  test::check_all_ranks<recursive_doubling_schedule>();
}

TEST_CASE("sums over threads") { test::check_sums<recursive_doubling_schedule>(); }

TEST_CASE("a power of two gives the bits of the tree") {
  for (const int ranks : {2, 4, 8, 16}) {
    std::vector<std::vector<float>> data;
    for (int r = 0; r < ranks; ++r) data.push_back(test::random_values<float>(r, 500, 3));
    const auto tree = test::run_on_threads<tree_schedule>(data, ranks, 100);
    const auto swapped = test::run_on_threads<recursive_doubling_schedule>(data, ranks, 33);
    CHECK(tree == swapped);
  }
}

TEST_CASE("one order for all elements") {
  for (int ranks = 1; ranks < 40; ++ranks) CHECK(prove<recursive_doubling_schedule>(ranks, 100, 30).single_order);
}
