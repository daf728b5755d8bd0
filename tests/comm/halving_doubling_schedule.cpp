// computes much: schedules of many ranks, step by step
#include "firecaffe/comm/halving_doubling_schedule.hpp"

#include <bit>

#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(test::proved_up_to_16<halving_doubling_schedule>);
static_assert(test::phases_proved_up_to_6<halving_doubling_schedule>);

TEST_CASE("every number of ranks from 1 to 130, random sizes and segments") {
  test::check_all_ranks<halving_doubling_schedule>();
}

TEST_CASE("sums over threads") { test::check_sums<halving_doubling_schedule>(); }

TEST_CASE("equal slices: the least traffic, evenly") {
  for (const int ranks : {2, 3, 8, 13, 32, 100})
    for (const std::size_t segments : {1u, 3u}) {
      const std::size_t elements = 64 * segments * static_cast<std::size_t>(ranks);
      const allreduce_proof p = prove<halving_doubling_schedule>(ranks, elements, 64);
      for (const traffic& t : p.sent) CHECK(t.elements == 2 * (elements - 64 * segments));
      CHECK(p.single_order == std::has_single_bit(static_cast<unsigned>(ranks)));
      // Segments keep every rank busy: whoever has p - 1 slices to send in each phase sends in almost every round.
      CHECK(p.rounds <= p.sent[0].messages + 2 * static_cast<std::size_t>(ranks));
    }
}

TEST_CASE("few messages: two log2 of the ranks, twice that for no power of two") {
  for (const int ranks : {2, 4, 16, 64})
    for (const traffic& t : prove<halving_doubling_schedule>(ranks, 64 * 64).sent)
      CHECK(t.messages == halving_doubling_schedule::rounds_at_most(ranks));
  for (const int ranks : {3, 7, 33})
    for (const traffic& t : prove<halving_doubling_schedule>(ranks, 64 * 64).sent)
      CHECK(t.messages <= halving_doubling_schedule::rounds_at_most(ranks));
}
