#include "firecaffe/comm/proof.hpp"

#include <doctest/doctest.h>

#include "firecaffe/comm/hierarchical_schedule.hpp"
#include "firecaffe/comm/recursive_doubling_schedule.hpp"
#include "firecaffe/comm/ring_schedule.hpp"
#include "schedules.hpp"

using namespace firecaffe;
using kinds = step_kind;

namespace {

constexpr allreduce_proof run(std::vector<std::vector<step>> schedules, std::size_t elements) {
  return symbolic_run(std::move(schedules), elements).proof();
}

// One rank forgets, doubles or misplaces something in an otherwise right star of three.
std::vector<std::vector<step>> star() {
  std::vector<std::vector<step>> all;
  for (int r = 0; r < 3; ++r) all.push_back(list_steps<test::star_schedule>(r, 3, 10, 10));
  return all;
}

}  // namespace

static_assert(is_bitwise_equal<ring_schedule>(5, 700));
static_assert(is_bitwise_equal<test::unfolded_schedule>(8, 3));
static_assert(is_bitwise_equal<test::star_schedule>(6, 10, 4));
static_assert(!is_allreduce<test::unfolded_schedule>(6, 3));  // not a power of two

TEST_CASE("right schedules are proved, and counted") {
  const allreduce_proof ring = prove<ring_schedule>(6, 60 * 64);
  CHECK(ring);
  CHECK(ring.same_order);
  CHECK_FALSE(ring.single_order);
  CHECK(ring.rounds == 10);
  for (const traffic& t : ring.sent) CHECK((t.elements == 100 * 64 && t.messages == 10));
  const allreduce_proof doubling = prove<recursive_doubling_schedule>(16, 5);
  CHECK(doubling.single_order);
  CHECK(doubling.rounds == 4);
  CHECK(prove<test::star_schedule>(7, 4).rounds == 12);
  CHECK(prove<test::star_schedule>(1, 4).rounds == 0);
  CHECK(prove<test::star_schedule>(1, 4));
}

TEST_CASE("placed schedules are proved for a placement") {
  using nested = hierarchical_schedule<ring_schedule, ring_schedule>;
  CHECK(is_bitwise_equal<nested>(node_map::even(3, 2), 600, 50));
  CHECK(is_allreduce<nested>(6, 600));  // all on one node
  CHECK(prove<nested>(6, 600).sent == prove<ring_schedule>(6, 600).sent);
  CHECK(is_allreduce<ring_schedule>(node_map::even(3, 2), 600));  // which does not care
}

TEST_CASE("a rank takes first what comes first in its list") {
  // Ranks 1 and 2 can both send at once; rank 0 needs rank 2's addend before it can answer rank 1.
  CHECK(prove<recursive_doubling_schedule>(3, 1).rounds == 3);
}

TEST_CASE("a missing contribution is refused") {
  auto all = star();
  all[0][0].kind = kinds::receive;  // overwrites instead of adding
  CHECK(run(all, 10).result == verdict::missing_contribution);

  all = star();
  for (auto* s : {&all[0][1], &all[2][0]}) s->last = 9;  // the last element of rank 2 stays at home
  CHECK(run(all, 10).result == verdict::missing_contribution);

  all = star();
  all[2][0].first = 0, all[2][0].last = 5;  // lands on other elements
  all[0][1].first = 5, all[0][1].last = 10;
  CHECK(run(all, 10).result == verdict::missing_contribution);

  all = star();
  all[0].pop_back(), all[2].pop_back();  // rank 2 is not told the result
  const allreduce_proof found = run(all, 10);
  CHECK(found.result == verdict::missing_contribution);
  CHECK(found.rank == 2);
}

TEST_CASE("a double contribution is refused") {
  auto all = star();
  all[0].insert(all[0].begin(), {kinds::receive_add, 1, 3, 4});
  all[1].insert(all[1].begin(), {kinds::send, 0, 3, 4});
  CHECK(run(all, 10).result == verdict::double_contribution);
  all = star();
  all[2][1].kind = kinds::receive_add;
  CHECK(run(all, 10).result == verdict::double_contribution);
}

TEST_CASE("what cannot finish is refused") {
  // Two ranks that overwrite what they have not yet sent: a swap in place needs a third buffer.
  CHECK(
      run({{{kinds::send, 1, 0, 4}, {kinds::receive, 1, 0, 4}}, {{kinds::send, 0, 0, 4}, {kinds::receive, 0, 0, 4}}}, 4)
          .result == verdict::deadlock);
  // Three ranks that wait in a circle.
  std::vector<std::vector<step>> circle;
  for (int r = 0; r < 3; ++r) circle.push_back({{kinds::receive, (r + 2) % 3, 0, 1}, {kinds::send, (r + 1) % 3, 0, 1}});
  CHECK(run(circle, 1).result == verdict::deadlock);

  auto all = star();
  all[1].pop_back();  // rank 0 sends a result that nobody takes
  CHECK(run(all, 10).result == verdict::unmatched);
  all = star();
  all[1][0].last = 9;
  CHECK(run(all, 10).result == verdict::length_mismatch);
}

TEST_CASE("steps outside of the world are refused") {
  for (const step bad : {step{kinds::send, 3, 0, 1}, step{kinds::send, -1, 0, 1}, step{kinds::send, 0, 0, 1},
                         step{kinds::send, 1, 0, 11}, step{kinds::send, 1, 5, 4}}) {
    auto all = star();
    all[0].push_back(bad);
    CHECK(run(all, 10).result == verdict::bad_step);
  }
}

TEST_CASE("ranks that add in different orders are told apart") {
  // Everybody sends to everybody and adds in its own order.
  std::vector<std::vector<step>> all(3);
  for (int r = 0; r < 3; ++r) {
    const auto at = static_cast<std::size_t>(r);
    for (int d = 1; d < 3; ++d) all[at].push_back({kinds::send, (r + d) % 3, 0, 2});
    for (int d = 1; d < 3; ++d) all[at].push_back({kinds::receive_add, (r + d) % 3, 0, 2});
  }
  const allreduce_proof found = run(all, 2);
  CHECK(found);
  CHECK_FALSE(found.same_order);
}
