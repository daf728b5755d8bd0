#include "firecaffe/comm/loans.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <random>

#include "firecaffe/comm/algorithms.hpp"
#include "firecaffe/comm/local.hpp"

using namespace firecaffe;

namespace {

using list = std::vector<std::uint32_t>;
constexpr std::uint32_t none = loan_plan::none;

// How often the ranks of a node save the copy of a sum.
struct tally : local::transport {
  using local::transport::transport;
  static inline std::atomic<int> lent, placed;  // of all ranks

  explicit tally(local::transport wire) : local::transport(wire) {}
  request isend(int peer, int tag, const void* from, std::size_t bytes, sharing how = sharing::none) {
    lent += how == sharing::lent;
    placed += how == sharing::placed;
    return local::transport::isend(peer, tag, from, bytes, how);
  }
};
static_assert(lending_transport<tally> && lending_transport<local::transport>);

template <class Algorithm>
void check(int ranks, int expected_lent, int expected_placed) {
  CAPTURE(Algorithm::name);
  CAPTURE(ranks);
  tally::lent = tally::placed = 0;
  std::atomic<int> wrong = 0;
  local::run(ranks, [&](local::transport wire) {
    communicator<Algorithm, tally> all{wire, {.segment_bytes = 4096}};
    std::vector<float> data(1024, 1.0f + static_cast<float>(all.rank()));
    all.start(0, std::span{data});
    all.wait(0);
    for (const float x : data) wrong += x != static_cast<float>(ranks * (ranks + 1) / 2);
  });
  CHECK(wrong == 0);
  CHECK(tally::lent == expected_lent);
  CHECK(tally::placed == expected_placed);
}

}  // namespace

TEST_CASE("a range is lent when it comes back before anything else happens to it") {
  const loan_plan p = find_loans(make_plan({
      {step_kind::send, 1, 0, 4},     // 0: comes back in 3
      {step_kind::send, 2, 4, 8},     // 1: comes back, but from somebody else
      {step_kind::receive, 3, 4, 8},  // 2
      {step_kind::receive, 1, 0, 4},  // 3
      {step_kind::send, 1, 8, 12},    // 4: read by 5 as well when it comes back
      {step_kind::send, 2, 8, 12},    // 5
      {step_kind::receive, 1, 8, 12},
      {step_kind::send, 1, 12, 16},  // 7: comes back in another cut
      {step_kind::receive, 1, 12, 14},
      {step_kind::receive, 1, 14, 16},
      {step_kind::send, 1, 16, 20},  // 10: comes back as a part to add
      {step_kind::receive_add, 1, 16, 20},
  }));
  CHECK(p.lends == std::vector<unsigned char>{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("a sum goes back to those whose parts are in it") {
  const loan_plan p = find_loans(make_plan({
      {step_kind::receive_add, 1, 0, 4},  // 0
      {step_kind::receive_add, 2, 0, 4},  // 1: completes the sum
      {step_kind::send, 1, 0, 4},         // 2
      {step_kind::send, 3, 0, 4},         // 3: to one who gave no part
      {step_kind::send, 2, 0, 4},         // 4
      {step_kind::receive_add, 1, 4, 8},  // 5: sent before 7 is added, so what 1 lent was answered
      {step_kind::send, 1, 4, 8},         // 6
      {step_kind::receive_add, 2, 4, 8},  // 7
      {step_kind::send, 1, 4, 8},         // 8
      {step_kind::send, 2, 4, 6},         // 9: a part of the range
  }));
  CHECK(p.borrowed == list{none, none, 0, none, 1, none, 5, none, none, none});
  CHECK(p.completes == list{none, 4, none, none, none, 6, none, none, none, none});
  CHECK(p.next == list{none, none, none, none, 2, none, none, none, none, none});
}

TEST_CASE("algorithms save the copy of every sum that returns to its parts") {
  check<direct_schedule>(2, 2, 2);
  check<direct_schedule>(4, 12, 12);
  check<ring_schedule>(2, 2, 2);
  check<halving_doubling_schedule>(2, 2, 2);
  check<ring_schedule>(3, 0, 0);
  check<recursive_doubling_schedule>(4, 0, 0);
  check<tree_schedule>(4, 3, 2);  // rank 2 passes on what it receives
  check<parameter_server_schedule<1>>(5, 4, 4);
}
