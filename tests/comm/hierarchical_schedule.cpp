#include "firecaffe/comm/hierarchical_schedule.hpp"

#include "firecaffe/comm/algorithms.hpp"
#include "schedule_checks.hpp"

using namespace firecaffe;

using direct_ring = hierarchical_schedule<direct_schedule, ring_schedule>;
using tree_halving = hierarchical_schedule<tree_schedule, halving_doubling_schedule>;

static_assert(placed_schedule<direct_ring> && !flat_schedule<direct_ring>);
static_assert(direct_ring::name == "hierarchical<direct, ring>");
static_assert(is_bitwise_equal<direct_ring>(node_map::even(2, 2), 300, 50));
static_assert(is_bitwise_equal<direct_ring>(node_map::even(4, 4), 64 * 16 - 30));
static_assert(is_bitwise_equal<tree_halving>(node_map(std::vector<int>{0, 0, 1, 0, 2, 2, 1, 3}), 200, 60));
static_assert(is_bitwise_equal<tree_halving>(16, 200, 60));  // one node

namespace {

// `nodes` nodes of sizes as told, their ranks shuffled.
node_map shuffled(const std::vector<int>& sizes, std::mt19937& random) {
  std::vector<int> node_of_rank;
  for (std::size_t n = 0; n < sizes.size(); ++n)
    node_of_rank.insert(node_of_rank.end(), static_cast<std::size_t>(sizes[n]), static_cast<int>(n));
  std::shuffle(node_of_rank.begin(), node_of_rank.end(), random);
  return node_map(node_of_rank);
}

template <class Algorithm>
void check_placed(const node_map& nodes, std::size_t elements, std::size_t segment) {
  std::string layout;
  for (int r = 0; r < nodes.ranks(); ++r) layout += std::to_string(nodes.node_of(r)) + " ";
  CAPTURE(layout);
  CAPTURE(elements);
  CAPTURE(segment);
  CAPTURE(std::string(Algorithm::name));
  const allreduce_proof p = prove<Algorithm>(nodes, elements, segment);
  REQUIRE(p);
  REQUIRE(p.same_order);
  for (int r = 0; r < nodes.ranks(); ++r) {
    REQUIRE(p.sent[static_cast<std::size_t>(r)].elements == Algorithm::elements_sent(r, nodes, elements));
    REQUIRE(p.sent[static_cast<std::size_t>(r)] == sent_by<Algorithm>(r, nodes, elements, segment));
  }
}

template <class Algorithm>
void check_many(unsigned seed, bool ragged) {
  std::mt19937 random{seed};
  CAPTURE(seed);
  for (int repeat = 0; repeat < 40; ++repeat) {
    const std::size_t count = 1 + random() % 9;
    std::vector<int> sizes(count, 1 + static_cast<int>(random() % 8));
    if (ragged)
      for (int& size : sizes) size = 1 + static_cast<int>(random() % 8);
    const std::size_t elements = random() % 2 ? random() % 4000 : random();
    check_placed<Algorithm>(shuffled(sizes, random), elements, elements / (1 + random() % 9) + 1 + random() % 2);
  }
  check_placed<Algorithm>(node_map::even(10, 13), 64 * 130, 100);
  check_placed<Algorithm>(node_map::even(1, 7), 1000, 100);
  check_placed<Algorithm>(node_map::even(7, 1), 1000, 100);
  check_placed<Algorithm>(node_map::even(1, 1), 1000, 100);
  check_placed<Algorithm>(node_map::even(3, 3), 0, 100);
}

}  // namespace

TEST_CASE("nodes of one size, ranks anywhere") {
  const unsigned seed = std::random_device{}() % 1000000;
  check_many<direct_ring>(seed, false);
  check_many<hierarchical_schedule<ring_schedule, double_tree_schedule>>(seed, false);
  check_many<hierarchical_schedule<halving_doubling_schedule, recursive_doubling_schedule>>(seed, false);
  check_many<hierarchical_schedule<double_tree_schedule, chain_schedule>>(seed, false);
  check_many<hierarchical_schedule<parameter_server_schedule<2>, tree_schedule>>(seed, false);
}

TEST_CASE("nodes of any size under a tree, a chain or one server") {
  const unsigned seed = std::random_device{}() % 1000000;
  check_many<tree_halving>(seed, true);
  check_many<hierarchical_schedule<chain_schedule, ring_schedule>>(seed, true);
  check_many<hierarchical_schedule<parameter_server_schedule<>, direct_schedule>>(seed, true);
}

TEST_CASE("sums over threads") {
  const unsigned seed = std::random_device{}() % 1000000;
  std::mt19937 random{seed};
  for (int repeat = 0; repeat < 6; ++repeat) {
    const node_map even = shuffled({3, 3, 3, 3}, random), ragged = shuffled({1, 4, 2}, random);
    const std::size_t n = random() % 5000;
    test::check_sum<direct_ring, float>(even, n, 1 + random() % 700, 2, seed);
    test::check_sum<tree_halving, float>(ragged, n, 1 + random() % 700, 1, seed);
  }
}

TEST_CASE("between nodes goes what is owned, no more") {
  const node_map nodes = node_map::even(4, 8);
  constexpr std::size_t elements = 64 * 32;
  for (int r = 0; r < nodes.ranks(); ++r) {
    std::size_t inside = 0, between = 0;
    for (const step& s : list_steps<direct_ring>(r, nodes, elements, elements))
      if (s.kind == step_kind::send) (nodes.node_of(s.peer) == nodes.node_of(r) ? inside : between) += s.last - s.first;
    CHECK(inside == 2 * elements * 7 / 8);
    CHECK(between == 2 * elements / 8 * 3 / 4);
  }
}

TEST_CASE("nodes that differ are refused under several owners, with both sizes") {
  const node_map nodes{std::vector<int>{0, 1, 1, 0, 2, 1}};
  CHECK_THROWS_WITH_AS(list_steps<direct_ring>(1, nodes, 1000, 100),
                       "hierarchical<direct, ring> needs as many ranks on every node, unless the inner algorithm is a "
                       "tree: node 0 (that of rank 0) has 2, node 1 (that of rank 1) has 3",
                       usage_error);
  CHECK_THROWS_AS(list_steps<direct_ring>(0, nodes, 0, 100), usage_error);
}
