#include "firecaffe/comm/executor.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <new>
#include <random>

#include "firecaffe/comm/local.hpp"
#include "firecaffe/comm/recursive_doubling_schedule.hpp"
#include "firecaffe/comm/ring_schedule.hpp"
#include "firecaffe/comm/tree_schedule.hpp"
#include "schedules.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

namespace {
thread_local long allocations = 0;
}
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

template <class T>
std::vector<T> random_values(int rank, std::size_t n, unsigned seed) {
  std::mt19937 random{seed * 1000 + static_cast<unsigned>(rank)};
  std::vector<T> v(n);
  for (T& x : v) x = std::uniform_real_distribution<T>{-1, 1}(random);
  return v;
}

// Messages arrive where they are wanted instead of being viewed.
struct delivering : local::transport {
  explicit delivering(local::transport wire) : local::transport(wire) {}
  bool can_view(int) const { return false; }
};

// Sums random numbers over `ranks` threads; checks against a sum in double, and that all ranks have the same bits.
template <class Algorithm, class T, class Wire = local::transport>
void check_sum(int ranks, std::size_t n, std::size_t segment, int window, unsigned seed) {
  CAPTURE(ranks);
  CAPTURE(n);
  CAPTURE(segment);
  CAPTURE(window);
  CAPTURE(seed);
  std::vector<std::vector<T>> results(static_cast<std::size_t>(ranks));
  local::run(ranks, [&](local::transport endpoint) {
    Wire wire{endpoint};
    std::vector<T> data = random_values<T>(wire.rank(), n, seed);
    executor<Wire> run{wire, {.window = window, .timeout = 20s}};
    run.template set_up<T>(3, n, list_steps<Algorithm>(wire.rank(), ranks, n, segment));
    run.start(3, std::span<T>{data});
    while (!run.finished(3))
      if (!run.poll()) wire.idle();
    results[static_cast<std::size_t>(wire.rank())] = data;
  });
  std::vector<double> expected(n);
  for (int r = 0; r < ranks; ++r) {
    const std::vector<T> part = random_values<T>(r, n, seed);
    for (std::size_t i = 0; i < n; ++i) expected[i] += static_cast<double>(part[i]);
  }
  const double tolerance = ranks * static_cast<double>(std::numeric_limits<T>::epsilon()) * ranks;
  bool close = true;
  for (std::size_t i = 0; i < n; ++i) close &= std::abs(static_cast<double>(results[0][i]) - expected[i]) <= tolerance;
  REQUIRE(close);
  for (const std::vector<T>& result : results)
    REQUIRE((n == 0 || std::memcmp(result.data(), results[0].data(), n * sizeof(T)) == 0));
}

// A transport that counts what is under way.
struct counting : local::transport {
  static constexpr std::string_view name = "counting";
  struct request {
    local::transport::request inner{};
    std::pair<int, bool> way;
  };
  std::map<std::pair<int, bool>, int> under_way, most;

  explicit counting(local::transport wire) : local::transport(wire) {}
  request isend(int peer, int tag, const void* from, std::size_t bytes) {
    return count(peer, true, local::transport::isend(peer, tag, from, bytes));
  }
  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    return count(peer, false, local::transport::irecv(peer, tag, into, bytes));
  }
  request count(int peer, bool sends, local::transport::request inner) {
    const std::pair<int, bool> way{peer, sends};
    most[way] = std::max(most[way], ++under_way[way]);
    return {inner, way};
  }
  bool test(request& r) {
    const bool done = local::transport::test(r.inner);
    under_way[r.way] -= done;
    return done;
  }
  bool cancel(request& r) noexcept { return local::transport::cancel(r.inner); }
};

struct manual_clock {
  using time_point = std::chrono::steady_clock::time_point;
  time_point* time;
  time_point now() const { return *time; }
};

}  // namespace

TEST_CASE("sums of random sizes, any schedule, float and double") {
  const unsigned seed = std::random_device{}() % 1000000;
  std::mt19937 random{seed};
  for (int repeat = 0; repeat < 40; ++repeat) {
    const int ranks = 1 + static_cast<int>(random() % 9);
    const std::size_t n = repeat < 4 ? static_cast<std::size_t>(repeat) : random() % 5000;
    const std::size_t segment = 1 + random() % (n / 4 + 50);
    const int window = 1 + static_cast<int>(random() % 4);
    check_sum<tree_schedule, float>(ranks, n, segment, window, seed);
    check_sum<tree_schedule, float, delivering>(ranks, n, segment, window, seed);
    check_sum<ring_schedule, double, delivering>(ranks, n, segment, window, seed);
    check_sum<tree_schedule, double>(ranks, n, segment, window, seed);
    check_sum<ring_schedule, float>(ranks, n, segment, window, seed);
    check_sum<test::star_schedule, double>(ranks, n, segment, window, seed);
    check_sum<recursive_doubling_schedule, float>(ranks, n, segment, window, seed);
  }
}

// Coded sums: near the sum in double, the same bits everywhere, and with feedback the losses of one iteration come back
// in the next, so that the mean over iterations converges.
template <class Codec, class Wire, class Algorithm = tree_schedule>
void check_coded(int ranks, std::size_t n, double tolerance, unsigned seed) {
  CAPTURE(Codec::name);
  CAPTURE(ranks);
  CAPTURE(n);
  CAPTURE(seed);
  constexpr int iterations = 40;
  std::vector<std::vector<float>> results(static_cast<std::size_t>(ranks));
  std::vector<double> expected(n), mean(n);
  for (int r = 0; r < ranks; ++r) {
    const std::vector<float> part = random_values<float>(r, n, seed);
    for (std::size_t i = 0; i < n; ++i) expected[i] += static_cast<double>(part[i]);
  }
  local::run(ranks, [&](local::transport endpoint) {
    Wire wire{endpoint};
    executor<Wire, Codec> run{wire, {.timeout = 20s}};
    run.template set_up<float>(0, n, list_steps<Algorithm>(wire.rank(), ranks, n, 128));
    std::vector<float> exact(1, 1.0f / 3);
    run.template set_up<float>(1, 1, list_steps<tree_schedule>(wire.rank(), ranks, 1, 128), true);
    run.start(1, std::span{exact});
    std::vector<float>& data = results[static_cast<std::size_t>(wire.rank())];
    for (int iteration = 0; iteration < iterations; ++iteration) {
      data = random_values<float>(wire.rank(), n, seed);
      run.start(0, std::span{data});
      while (!run.idle())
        if (!run.poll()) wire.idle();
      if (wire.rank() == 0)
        for (std::size_t i = 0; i < n; ++i) mean[i] += static_cast<double>(data[i]) / iterations;
    }
    if (std::abs(exact[0] - static_cast<float>(ranks) / 3) > 1e-6f * static_cast<float>(ranks))
      throw usage_error("an exact bucket was coded");
  });
  double worst = 0, worst_mean = 0, lost = 0;
  for (std::size_t i = 0; i < n; ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(results[0][i]) - expected[i]));
    worst_mean = std::max(worst_mean, std::abs(mean[i] - expected[i]));
    lost += std::abs(static_cast<double>(results[0][i]) - expected[i]);
  }
  // As many messages as ranks lose up to `tolerance` each; feedback adds what those of the iteration before lost.
  CHECK(worst <= (Codec::feeds_back ? 2 : 1) * tolerance * ranks);
  CHECK((lost > 0 || n < 10 || ranks == 1));  // it was coded at all
  if (Codec::feeds_back) CHECK(worst_mean <= 4 * tolerance * ranks / iterations);
  for (const std::vector<float>& result : results)
    REQUIRE((n == 0 || std::memcmp(result.data(), results[0].data(), n * sizeof(float)) == 0));
}

TEST_CASE("coded messages") {
  const unsigned seed = std::random_device{}() % 1000000;
  std::mt19937 random{seed};
  for (int repeat = 0; repeat < 4; ++repeat) {
    const int ranks = 1 + static_cast<int>(random() % 6);
    const std::size_t n = repeat == 0 ? 1 : random() % 2000;
    check_coded<bf16, local::transport>(ranks, n, ranks * 0x1p-8, seed);
    check_coded<error_feedback<bf16>, delivering>(ranks, n, ranks * 0x1p-8, seed);
    check_coded<int8, local::transport, recursive_doubling_schedule>(3 + repeat, n, 6 * 0x1p-7, seed);
    check_coded<fp16, delivering, ring_schedule>(ranks, n, ranks * 0x1p-11, seed);
    check_coded<error_feedback<int8>, local::transport>(ranks, n, ranks * 0x1p-7, seed);
  }
}

TEST_CASE("never more than a window of messages per peer and direction") {
  for (const int window : {1, 2, 3})
    local::run(4, [&](local::transport wire) {
      counting counted{wire};
      std::vector<float> data(1000, 1.0f);
      executor<counting> run{counted, {.window = window, .timeout = 20s}};
      run.set_up<float>(0, data.size(), list_steps<tree_schedule>(wire.rank(), 4, data.size(), 10));
      run.start(0, std::span{data});
      while (!run.idle())
        if (!run.poll()) wire.idle();
      for (const auto& [way, most] : counted.most)
        if (most > window) throw usage_error("too many");
      if (counted.most.empty()) throw usage_error("none");
      if (wire.rank() == 0 && counted.most[{1, false}] != window) throw usage_error("receives were not pipelined");
      for (const float x : data)
        if (x != 4.0f) throw usage_error("wrong");
    });
}

TEST_CASE("several buckets at once, started at different times, many times, without an allocation") {
  constexpr int ranks = 3, buckets = 6;
  local::run(ranks, [&](local::transport wire) {
    std::mt19937 random{static_cast<unsigned>(wire.rank())};
    std::vector<std::vector<float>> data;
    executor<local::transport> run{wire, {.timeout = 20s}};
    for (int b = 0; b < buckets; ++b) {
      data.emplace_back(static_cast<std::size_t>(100 * b + 1));
      run.set_up<float>(b, data.back().size(), list_steps<tree_schedule>(wire.rank(), ranks, data.back().size(), 64));
    }
    long after_warm_up = 0;
    for (int iteration = 0; iteration < 60; ++iteration) {
      if (iteration == 30) after_warm_up = allocations;
      for (int b = 0; b < buckets; ++b) {
        std::vector<float>& d = data[static_cast<std::size_t>(b)];
        std::fill(d.begin(), d.end(), static_cast<float>(b + iteration + wire.rank()));
        run.start(b, std::span{d});
        for (unsigned k = random() % 4; k > 0; --k) run.poll();
      }
      while (!run.idle())
        if (!run.poll()) wire.idle();
      for (int b = 0; b < buckets; ++b)
        for (const float x : data[static_cast<std::size_t>(b)])
          if (x != static_cast<float>(3 * (b + iteration) + 3)) throw usage_error("wrong sum");
    }
    if (allocations != after_warm_up) throw usage_error("allocated while running");
  });
}

TEST_CASE("a peer that stalls is named, with bucket and step") {
  std::atomic<bool> over = false, sent = false;
  local::run(3, [&](local::transport wire) {
    if (wire.rank() == 2) {  // never starts
      while (!over) wire.idle();
      return;
    }
    std::vector<float> data(10);
    executor<local::transport> run{wire, {.timeout = wire.rank() == 0 ? 150ms : 20000ms}};
    run.set_up<float>(7, 10, list_steps<tree_schedule>(wire.rank(), 3, 10, 5));
    while (wire.rank() == 0 && !sent) wire.idle();  // rank 1 is not the one that is late
    run.start(7, std::span{data});
    if (wire.rank() == 1) sent = true;
    try {
      while (!run.finished(7))
        if (!run.poll() && over) return;
      throw usage_error("finished without rank 2");
    } catch (const communication_error& e) {
      over = true;
      const std::string what = e.what();
      INFO(what);
      CHECK(what == "rank 0: waited 0.15 s for rank 2, bucket 7: receive_add of elements [0, 5), step 2 of 8");
      CHECK(e.peer == 2);
      CHECK_THROWS_AS(run.poll(), communication_error);
      CHECK_THROWS_AS(run.start(7, std::span{data}), communication_error);
    }
  });
}

TEST_CASE("time spent elsewhere is not waiting, time spent polling is") {
  local::world world{2};
  local::transport wire = world.transport(0);
  std::chrono::steady_clock::time_point time{};
  std::vector<float> data(4);
  executor<local::transport, raw, manual_clock> run{wire, {.timeout = 8s}, manual_clock{&time}};
  run.set_up<float>(0, 4, list_steps<tree_schedule>(0, 2, 4, 4));
  run.start(0, std::span{data});
  run.poll();  // nothing moves: from here on it waits
  time += 1h;
  run.poll();
  for (int i = 0; i < 6; ++i) {
    time += 1s;
    run.poll();
  }
  time += 1s;
  CHECK_THROWS_WITH_AS(run.poll(),
                       "rank 0: waited 8 s for rank 1, bucket 0: receive_add of elements [0, 4), step 1 of 2",
                       communication_error);
}

TEST_CASE("misuse is refused") {
  local::world world{2};
  local::transport wire = world.transport(0);
  CHECK_THROWS_AS((executor<local::transport>{wire, {.window = 0}}), usage_error);
  executor<local::transport> run{wire};
  std::vector<float> data(4);
  CHECK_THROWS_AS(run.start(0, std::span{data}), usage_error);  // not set up
  CHECK_THROWS_AS(run.set_up<float>(-2, 4, {}), usage_error);
  run.set_up<float>(0, 4, list_steps<tree_schedule>(0, 2, 4, 4));
  CHECK_THROWS_AS(run.start(0, std::span{data}.first(3)), usage_error);
  std::vector<double> other(4);
  CHECK_THROWS_AS(run.start(0, std::span{other}), usage_error);
  run.start(0, std::span{data});
  CHECK_FALSE(run.finished(0));
  CHECK_THROWS_AS(run.start(0, std::span{data}), usage_error);
  CHECK_THROWS_AS(run.set_up<float>(0, 5, {}), usage_error);
}
