#include "firecaffe/comm/node_map.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace firecaffe;

static_assert(node_map(5).nodes() == 1 && node_map(5).ranks() == 5 && node_map(5).node_size(0) == 5);
static_assert(node_map::even(3, 4).ranks() == 12 && node_map::even(3, 4).node_of(7) == 1);
static_assert(node_map(std::vector<int>{7, 7, 2, 7}).local_rank(3) == 2);
static_assert(node_map(std::vector<int>{7, 7, 2, 7}) == node_map(std::vector<int>{0, 0, 3, 0}));

TEST_CASE("ranks on nodes in any order") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<int> names(1 + random() % 40);
    for (int& name : names) name = static_cast<int>(random() % 9) * 1000 - 4000;
    const node_map map{names};
    REQUIRE(map.ranks() == static_cast<int>(names.size()));
    int seen = 0, next = 0;
    for (int r = 0; r < map.ranks(); ++r) {  // numbered as they are first named
      REQUIRE(map.node_of(r) <= next);
      next += map.node_of(r) == next;
    }
    REQUIRE(next == map.nodes());
    for (int n = 0; n < map.nodes(); ++n) {
      REQUIRE(map.node_size(n) == static_cast<int>(map.members(n).size()));
      REQUIRE(map.node_size(n) > 0);
      for (int i = 0; i < map.node_size(n); ++i, ++seen) {
        const int r = map.members(n)[static_cast<std::size_t>(i)];
        REQUIRE(map.node_of(r) == n);
        REQUIRE(map.local_rank(r) == i);
        REQUIRE(names[static_cast<std::size_t>(r)] == names[static_cast<std::size_t>(map.members(n)[0])]);
        if (i > 0) REQUIRE(map.members(n)[static_cast<std::size_t>(i - 1)] < r);
      }
    }
    REQUIRE(seen == map.ranks());
  }
}

TEST_CASE("no ranks are refused") {
  CHECK_THROWS_AS(node_map(0), usage_error);
  CHECK_THROWS_AS(node_map(std::vector<int>{}), usage_error);
}
