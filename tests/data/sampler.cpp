#include "firecaffe/data/sampler.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <vector>

namespace fc = firecaffe;
using fc::data::last_batch;
using fc::data::sampler;
using fc::data::slot_range;

TEST_CASE("steps per epoch and the size of the last step") {
  CHECK(sampler(100, {.batch = 32}).steps_per_epoch() == 4);
  CHECK(sampler(100, {.batch = 32}).slots(3) == slot_range{0, 4});
  CHECK(sampler(100, {.batch = 32, .last = last_batch::drop}).steps_per_epoch() == 3);
  CHECK(sampler(100, {.batch = 32, .last = last_batch::drop}).slots(2) == slot_range{0, 32});
  CHECK(sampler(100, {.batch = 32, .last = last_batch::wrap}).steps_per_epoch() == 4);
  CHECK(sampler(100, {.batch = 32, .last = last_batch::wrap}).slots(3) == slot_range{0, 32});
  for (const auto last : {last_batch::keep, last_batch::drop, last_batch::wrap})
    CHECK(sampler(96, {.batch = 32, .last = last}).steps_per_epoch() == 3);
  CHECK(sampler(3, {.batch = 8}).slots(0) == slot_range{0, 3});
  CHECK(sampler(3, {.batch = 8, .last = last_batch::wrap}).slots(0) == slot_range{0, 8});
}

TEST_CASE("what cannot be used is refused") {
  CHECK_THROWS_AS(sampler(0, {}), fc::usage_error);
  CHECK_THROWS_AS(sampler(5, {.batch = 0}), fc::usage_error);
  CHECK_THROWS_AS(sampler(5, {.batch = 6, .last = last_batch::drop}), fc::usage_error);
  const sampler s(10, {.batch = 4});
  CHECK_THROWS_AS(s.slots(3), fc::usage_error);
  CHECK_THROWS_AS(s.slots(-1), fc::usage_error);
  CHECK_THROWS_AS(s.slots(0, 2, 2), fc::usage_error);
  CHECK_THROWS_AS(s.index(0, 2, 2), fc::usage_error);
  CHECK_THROWS_AS(s.index(0, 0, -1), fc::usage_error);
  CHECK_NOTHROW(s.index(0, 2, 1));
}

TEST_CASE("an epoch has every sample once; wrapping adds those of the next epoch's beginning") {
  for (const auto last : {last_batch::keep, last_batch::drop, last_batch::wrap}) {
    const sampler s(103, {.batch = 10, .seed = 9, .last = last});
    for (int epoch = 0; epoch < 3; ++epoch) {
      std::vector<std::size_t> order;
      for (std::int64_t step = 0; step < s.steps_per_epoch(); ++step)
        for (int slot = 0; slot < s.slots(step).count; ++slot) order.push_back(s.index(epoch, step, slot));
      const std::size_t whole = last == last_batch::drop ? 100 : 103;
      const std::set<std::size_t> once(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(whole));
      CHECK(once.size() == whole);
      CHECK(*once.rbegin() < 103);
      CHECK(order.size() == (last == last_batch::wrap ? 110u : whole));
      for (std::size_t i = whole; i < order.size(); ++i)
        CHECK(order[i] == s.index(epoch + 1, 0, static_cast<int>(i - whole)));
    }
  }
}

TEST_CASE("a batch larger than the data set wraps through several epochs") {
  const sampler s(3, {.batch = 8, .seed = 2, .last = last_batch::wrap});
  for (int slot = 0; slot < 8; ++slot) CHECK(s.index(1, 0, slot) == s.index(1 + slot / 3, 0, slot % 3));
}

TEST_CASE("without shuffling samples come as they lie; with it epochs and seeds differ") {
  const sampler plain(50, {.batch = 7, .shuffle = false}), a(50, {.batch = 7, .seed = 1}),
      b(50, {.batch = 7, .seed = 2});
  int place = 0, as_seed = 0, as_epoch = 0;
  for (std::int64_t step = 0; step < plain.steps_per_epoch(); ++step)
    for (int slot = 0; slot < plain.slots(step).count; ++slot) {
      CHECK(plain.index(3, step, slot) == static_cast<std::size_t>(place++));
      as_seed += a.index(0, step, slot) == b.index(0, step, slot);
      as_epoch += a.index(0, step, slot) == a.index(1, step, slot);
    }
  CHECK(place == 50);
  CHECK(as_seed < 10);
  CHECK(as_epoch < 10);
}

TEST_CASE("the ranks' slots are contiguous, in order, complete, even, and never more than promised") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int trial = 0; trial < 300; ++trial) {
    const auto samples = static_cast<std::size_t>(1 + random() % 200);
    const auto batch = static_cast<int>(1 + random() % 64), ranks = static_cast<int>(1 + random() % 40);
    const auto last =
        samples < static_cast<std::size_t>(batch) ? last_batch::wrap : static_cast<last_batch>(random() % 3);
    const sampler s(samples, {.batch = batch, .last = last});
    for (std::int64_t step = 0; step < s.steps_per_epoch(); ++step) {
      const int count = s.slots(step).count;
      int next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const slot_range own = s.slots(step, rank, ranks);
        CHECK(own.first == next);
        CHECK(own.count >= count / ranks);
        CHECK(own.count <= s.most_slots(ranks));
        next += own.count;
      }
      CHECK(next == count);
    }
  }
}

TEST_CASE("whole grains fall to a rank: boundaries of p ranks are boundaries of G grains where p divides G") {
  const sampler s(1000, {.batch = 123});
  for (const int ranks : {1, 2, 4, 8})
    for (const std::int64_t step : {0, 8})
      for (int rank = 0; rank < ranks; ++rank)
        CHECK(s.slots(step, rank, ranks).first == s.slots(step, rank * (16 / ranks), 16).first);
}

TEST_CASE("slots are computed in 64 bits") {
  const sampler s(std::size_t{3} << 31, {.batch = 2147483647, .shuffle = false});
  CHECK(s.slots(0, 999, 1000).first + s.slots(0, 999, 1000).count == 2147483647);
  CHECK(s.index(0, 2, 5) == 2 * std::size_t{2147483647} + 5);
}
