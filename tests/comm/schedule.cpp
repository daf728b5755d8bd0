#include "firecaffe/comm/schedule.hpp"

#include <doctest/doctest.h>

#include "firecaffe/comm/hierarchical_schedule.hpp"
#include "firecaffe/comm/ring_schedule.hpp"
#include "schedules.hpp"

using namespace firecaffe;

namespace {

// needs of step i, sorted as made
std::vector<std::uint32_t> needs(const step_plan& p, std::size_t i) {
  return {p.needs.begin() + p.first_need[i], p.needs.begin() + p.first_need[i + 1]};
}

using list = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("steps wait for the data they touch, and for nothing else") {
  const step_plan p = make_plan({
      {step_kind::send, 1, 0, 4},         // 0: nothing before
      {step_kind::receive_add, 1, 2, 6},  // 1: overwrites what 0 reads
      {step_kind::send, 2, 0, 2},         // 2: untouched so far
      {step_kind::send, 2, 3, 5},         // 3: reads 1
      {step_kind::receive, 3, 5, 8},      // 4: overwrites part of 1 that nobody read
      {step_kind::receive, 3, 0, 8},      // 5: after the readers 0 and 2, the reader 3, the writers 1 and 4
      {step_kind::send, 1, 7, 8},         // 6: reads 5
  });
  CHECK(needs(p, 0).empty());
  CHECK(needs(p, 1) == list{0});
  CHECK(needs(p, 2).empty());
  CHECK(needs(p, 3) == list{1});
  CHECK(needs(p, 4) == list{1});
  CHECK(needs(p, 5) == list{2, 0, 1, 3, 4});
  CHECK(needs(p, 6) == list{5});

  REQUIRE(p.lanes.size() == 4);
  CHECK((p.lanes[0].sends && p.lanes[0].peer == 1 && p.lanes[0].steps == list{0, 6}));
  CHECK((!p.lanes[1].sends && p.lanes[1].peer == 1 && p.lanes[1].steps == list{1}));
  CHECK((p.lanes[2].sends && p.lanes[2].peer == 2 && p.lanes[2].steps == list{2, 3}));
  CHECK((!p.lanes[3].sends && p.lanes[3].peer == 3 && p.lanes[3].steps == list{4, 5}));
}

TEST_CASE("empty steps are dropped, one rank has none") {
  CHECK(list_steps<ring_schedule>(0, 4, 100, 100).size() == 6);  // 12 steps, half of them empty
  CHECK(list_steps<ring_schedule>(0, 1, 2, 1).empty());
  CHECK(list_steps<hierarchical_schedule<ring_schedule, ring_schedule>>(0, node_map(1), 2, 1).empty());
}

TEST_CASE("flat and placed schedules are listed alike") {
  using placed = hierarchical_schedule<ring_schedule, ring_schedule>;
  static_assert(flat_schedule<ring_schedule> && !placed_schedule<ring_schedule>);
  static_assert(placed_schedule<placed> && !flat_schedule<placed> && schedule<placed>);
  const node_map nodes = node_map::even(2, 3);
  CHECK(list_steps<ring_schedule>(1, nodes, 1000, 64).size() == list_steps<ring_schedule>(1, 6, 1000, 64).size());
  CHECK(list_steps<placed>(1, 6, 1000, 64).size() == list_steps<ring_schedule>(1, 6, 1000, 64).size());  // one node
  CHECK(sent_by<placed>(1, nodes, 1000, 64) != sent_by<placed>(1, 6, 1000, 64));
}

TEST_CASE("what a rank sends is known to the compiler") {
  static_assert(sent_by<ring_schedule>(1, 4, 256, 256) == traffic{384, 6});
  static_assert(sent_by<ring_schedule>(1, 4, 256, 16) == traffic{384, 24});
  static_assert(sent_by<test::star_schedule>(0, 5, 10, 5).messages == 8);
  static_assert(make_plan(list_steps<ring_schedule>(0, 3, 9, 9)).lanes.size() == 2);
}
