#include "firecaffe/data/prefetch.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "firecaffe/data/synthetic.hpp"
#include "firecaffe/data/view.hpp"

namespace fc = firecaffe;
using fc::data::host_batch;
using fc::data::last_batch;
using fc::data::prefetcher;
using fc::data::sampler;

// Synthetic samples through a reader that counts, dawdles and fails as told.
struct troubled {
  fc::data::synthetic inner;
  std::atomic<int>* reads = nullptr;
  std::chrono::microseconds delay{0};
  std::size_t broken = ~std::size_t{0};

  std::size_t size() const { return inner.size(); }
  fc::shape extents() const { return inner.extents(); }
  void read(std::size_t index, float* values, std::int32_t* label) const {
    if (reads) ++*reads;
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    if (index == broken) throw fc::file_error("images", index, "broken");
    inner.read(index, values, label);
  }
};

fc::data::synthetic images(std::size_t n) {
  return fc::data::synthetic({.samples = n, .extents = {.channels = 2, .height = 3}, .classes = 50, .seed = 4});
}

// Until so many reads have begun, but not for ever.
void wait_for_reads(const std::atomic<int>& reads, int count) {
  const auto before = std::chrono::steady_clock::now();
  while (reads < count && std::chrono::steady_clock::now() - before < std::chrono::seconds(5))
    std::this_thread::yield();
}

// What the batch must be, read sample by sample.
template <class D>
void check_batch(const D& d, const sampler& order, const host_batch& b, std::int64_t position, int rank, int ranks) {
  const std::int64_t steps = order.steps_per_epoch();
  REQUIRE(b.epoch == position / steps);
  REQUIRE(b.step == position % steps);
  CHECK(b.last_of_epoch == (b.step + 1 == steps));
  CHECK(b.global_samples == order.slots(b.step).count);
  const auto own = order.slots(b.step, rank, ranks);
  CHECK(b.first_slot == own.first);
  REQUIRE(b.samples == own.count);
  const auto n = static_cast<std::size_t>(b.samples);
  REQUIRE(b.values.size() == n * 6);
  REQUIRE(b.labels.size() == n);
  CHECK(b.targets.empty());
  for (std::size_t i = 0; i < n; ++i) {
    float v[6];
    std::int32_t label = -1;
    d.read(order.index(b.epoch, b.step, own.first + static_cast<int>(i)), v, &label);
    CHECK(label == b.labels[i]);
    for (std::size_t j = 0; j < 6; ++j) CHECK(v[j] == b.values[i * 6 + j]);
  }
}

TEST_CASE("batches are the sampler's, in order, for any threads, ranks, policy and start") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto d = images(37);
  for (int trial = 0; trial < 40; ++trial) {
    const sampler order(37, {.batch = static_cast<int>(1 + random() % 20),
                             .shuffle = random() % 2 == 0,
                             .seed = random(),
                             .last = static_cast<last_batch>(random() % 3)});
    const auto ranks = static_cast<int>(1 + random() % 9),
               rank = static_cast<int>(random() % static_cast<unsigned>(ranks));
    const auto epoch = static_cast<int>(random() % 3), step = static_cast<int>(random() % 2);
    const auto ahead = static_cast<int>(1 + random() % 4), threads = static_cast<int>(random() % 4);
    prefetcher p(d, order, rank, ranks, {.ahead = ahead, .threads = threads}, epoch, step);
    const std::int64_t first = epoch * order.steps_per_epoch() + step;
    for (std::int64_t k = 0; k < 2 * order.steps_per_epoch() + 3; ++k)
      check_batch(d, order, p.next(), first + k, rank, ranks);
  }
}

TEST_CASE("ranks together have each step's global batch") {
  const auto d = images(30);
  const sampler order(30, {.batch = 8, .seed = 5});
  std::vector<std::size_t> sizes(4);
  prefetcher whole(d, order);
  prefetcher a(d, order, 0, 3), b(d, order, 1, 3), c(d, order, 2, 3);
  for (int k = 0; k < 9; ++k) {
    std::vector<std::int32_t> labels;
    for (auto* p : {&a, &b, &c}) {
      const host_batch& part = p->next();
      CHECK(part.first_slot == static_cast<int>(labels.size()));
      labels.insert(labels.end(), part.labels.begin(), part.labels.end());
    }
    CHECK(labels == whole.next().labels);
  }
}

TEST_CASE("memory is bounded: no more than ahead batches are read past the caller's") {
  std::atomic<int> reads = 0;
  const troubled d{images(1000), &reads};
  const sampler order(1000, {.batch = 10});
  prefetcher p(d, order, 0, 1, {.ahead = 3, .threads = 2});
  for (int taken = 1; taken <= 5; ++taken) {
    p.next();
    wait_for_reads(reads, 10 * (taken + 3));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(reads == 10 * (taken + 3));
  }
}

TEST_CASE("buffers are used over and over") {
  const auto d = images(23);
  const sampler order(23, {.batch = 5});
  for (const int threads : {0, 1, 2}) {
    prefetcher p(d, order, 1, 2, {.ahead = 2, .threads = threads});
    std::set<const float*> places;
    for (int k = 0; k < 40; ++k) places.insert(p.next().values.data());
    CHECK(places.size() == (threads == 0 ? 1 : 3));
  }
}

TEST_CASE("a batch stays as it is until the next call") {
  const auto d = images(64);
  const sampler order(64, {.batch = 4});
  prefetcher p(d, order, 0, 1, {.ahead = 1, .threads = 2});
  for (int k = 0; k < 10; ++k) {
    const host_batch& b = p.next();
    const std::vector<float> before = b.values;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(b.values == before);
  }
}

TEST_CASE("what the data set throws comes out of the next() it belongs to, after the good batches, and again") {
  for (const int threads : {0, 1, 3}) {
    const troubled d{images(100), nullptr, {}, 57};
    const sampler order(100, {.batch = 10, .shuffle = false});
    prefetcher p(d, order, 0, 1, {.ahead = 4, .threads = threads});
    for (int k = 0; k < 5; ++k) check_batch(d, order, p.next(), k, 0, 1);
    for (int again = 0; again < 3; ++again) {
      try {
        p.next();
        FAIL("no error");
      } catch (const fc::file_error& e) {
        CHECK(e.offset == 57);
      }
    }
  }
}

// Samples that many threads read at the same time, some of them broken.
struct many_broken {
  std::vector<std::size_t> broken;
  std::size_t broken_late = ~std::size_t{0};  // others fail before it does
  std::size_t expected = 1;                   // so many threads wait for each other, but not for ever
  std::chrono::steady_clock::time_point patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  mutable std::mutex mutex;
  mutable std::condition_variable came;
  mutable std::set<std::thread::id> readers;

  std::size_t size() const { return 1000; }
  fc::shape extents() const { return {}; }
  void read(std::size_t index, float* values, std::int32_t* label) const {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    {
      std::unique_lock lock(mutex);
      if (readers.insert(std::this_thread::get_id()).second) came.notify_all();
      came.wait_until(lock, patience, [&] { return readers.size() >= expected; });
    }
    if (index == broken_late) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (const std::size_t b : broken)
      if (b == index) throw fc::file_error("images", index, "broken");
    *values = 1;
    *label = static_cast<std::int32_t>(index);
  }
};

TEST_CASE("all threads read the first batch, and the first of its broken samples is reported") {
  for (const int threads : {1, 2, 4}) {
    many_broken good, bad;
    good.expected = static_cast<std::size_t>(threads);
    bad.broken = {37, 12, 30, 13, 59};
    bad.broken_late = 12;
    const sampler order(1000, {.batch = 60, .shuffle = false});
    prefetcher p(good, order, 0, 1, {.ahead = 1, .threads = threads, .batches = 1});
    CHECK(p.next().samples == 60);
    CHECK(good.readers.size() == good.expected);
    prefetcher q(bad, order, 0, 1, {.ahead = 1, .threads = threads});
    try {
      q.next();
      FAIL("no error");
    } catch (const fc::file_error& e) {
      CHECK(e.offset == 12);
    }
  }
}

TEST_CASE("a data set that asks for it is told the epoch") {
  struct epochs {
    std::size_t size() const { return 7; }
    fc::shape extents() const { return {}; }
    void read(std::size_t index, float* values, std::int32_t* label) const { read(index, -1, values, label); }
    void read(std::size_t index, int epoch, float* values, std::int32_t* label) const {
      *values = static_cast<float>(epoch);
      *label = static_cast<std::int32_t>(index);
    }
  };
  const epochs d;
  prefetcher p(d, sampler(7, {.batch = 3}), 0, 1, {.threads = 2}, 4, 1);
  for (int k = 1; k < 9; ++k)
    for (const float v : p.next().values) CHECK(v == 4 + k / 3);
}

TEST_CASE("it stops at once, at any moment") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const troubled slow{images(100000), nullptr, std::chrono::milliseconds(1)};
  const sampler order(100000, {.batch = 100000});  // a batch takes 100 s
  const auto before = std::chrono::steady_clock::now();
  for (int k = 0; k < 20; ++k) {
    prefetcher p(slow, order, 0, 1, {.threads = 1 + k % 3});
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
  }
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
  const auto d = images(100);
  const sampler small(100, {.batch = 7});
  for (unsigned k = 0; k < 200; ++k) {
    prefetcher p(d, small, 0, 1, {.threads = static_cast<int>(1 + k % 3)});
    for (unsigned n = static_cast<unsigned>(random() % 5); n > 0; --n) p.next();
  }
}

TEST_CASE("the number of batches can be limited, and nothing past it is read") {
  std::atomic<int> reads = 0;
  const troubled d{images(25), &reads};
  const sampler order(25, {.batch = 10, .shuffle = false});
  for (const int threads : {0, 1, 2}) {
    reads = 0;
    prefetcher p(d, order, 0, 1, {.ahead = 5, .threads = threads, .batches = order.steps_per_epoch()});
    for (int k = 0; k < 3; ++k) p.next();
    CHECK_THROWS_AS(p.next(), fc::usage_error);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(reads == 25);
  }
}

TEST_CASE("the wait for data is measured") {
  std::atomic<int> reads = 0;
  const troubled slow{images(40), &reads, std::chrono::milliseconds(2)};
  const sampler order(40, {.batch = 10});
  for (const int threads : {0, 1}) {
    double longest = 0, shortest = 1;  // of several: this thread may be held up between two calls, or in one
    for (int k = 0; k < 5; ++k) {
      reads = 0;
      prefetcher p(slow, order, 0, 1, {.ahead = 2, .threads = threads});
      CHECK(p.seconds_waited() == 0);
      p.next();
      const double first = p.seconds_waited();
      longest = std::max(longest, first);
      if (threads == 1) wait_for_reads(reads, 21);  // one of the batch after the next
      p.next();
      shortest = std::min(shortest, p.seconds_waited() - first);
    }
    CHECK(longest > 0.015);
    CHECK((threads == 1) == (shortest < 0.015));  // it lay ready
  }
}

TEST_CASE("regression data sets fill targets") {
  std::vector<float> values(20), targets(30);
  for (std::size_t i = 0; i < 20; ++i) values[i] = static_cast<float>(i);
  for (std::size_t i = 0; i < 30; ++i) targets[i] = static_cast<float>(100 + i);
  const fc::data::regression_view d(values, {.channels = 2}, targets, {.channels = 3});
  prefetcher p(d, sampler(10, {.batch = 4, .shuffle = false}));
  p.next();
  p.next();
  const host_batch& b = p.next();
  CHECK(b.samples == 2);
  CHECK(b.labels.empty());
  CHECK(b.values == std::vector<float>{16, 17, 18, 19});
  CHECK(b.targets == std::vector<float>{124, 125, 126, 127, 128, 129});
}

TEST_CASE("a rank without samples gets empty batches") {
  const auto d = images(2);
  prefetcher p(d, sampler(2, {.batch = 8}), 0, 4);
  const host_batch& b = p.next();
  CHECK(b.samples == 0);
  CHECK(b.values.empty());
  CHECK(b.global_samples == 2);
}

TEST_CASE("options that cannot be used are refused") {
  const auto d = images(10);
  const sampler order(10, {}), other(11, {});
  using prefetch = prefetcher<fc::data::synthetic>;
  CHECK_THROWS_AS(prefetch(d, other), fc::usage_error);
  CHECK_THROWS_AS(prefetch(d, order, 0, 1, {.ahead = 0}), fc::usage_error);
  CHECK_THROWS_AS(prefetch(d, order, 0, 1, {.threads = -1}), fc::usage_error);
  CHECK_THROWS_AS(prefetch(d, order, 2, 2), fc::usage_error);
  CHECK_THROWS_AS(prefetch(d, order, 0, 1, {}, -1), fc::usage_error);
}
