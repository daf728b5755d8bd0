#include "firecaffe/core/timeline.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

using namespace firecaffe;
using namespace std::chrono_literals;

namespace {
long allocations = 0;
}
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

TEST_CASE("spans are kept in order, without allocation; what does not fit is counted") {
  const time_span::time_point start{};
  timeline log(100);
  for (int round = 0; round < 2; ++round) {
    const long before = allocations;
    for (int i = 0; i < 150; ++i) log.record(span_kind::send, i, 7, start + i * 1ms, start + i * 1ms + 5us);
    const long after = allocations;
    CHECK(after == before);
    REQUIRE(log.spans().size() == 100);
    CHECK(log.dropped() == 50);
    for (int i = 0; i < 100; ++i) {
      const time_span& s = log.spans()[static_cast<std::size_t>(i)];
      REQUIRE(s.kind == span_kind::send);
      REQUIRE(s.id == i);
      REQUIRE(s.peer == 7);
      REQUIRE(s.begin == start + i * 1ms);
      REQUIRE(s.end - s.begin == 5us);
    }
    log.clear();
    CHECK(log.spans().empty());
    CHECK(log.dropped() == 0);
  }
}

TEST_CASE("a timeline without room counts everything") {
  timeline none(0);
  none.record(span_kind::wait, 0, -1, {}, {});
  CHECK(none.spans().empty());
  CHECK(none.dropped() == 1);
}

TEST_CASE("every kind has its name") {
  CHECK(to_string(span_kind::load) == "load");
  CHECK(to_string(span_kind::forward) == "forward");
  CHECK(to_string(span_kind::backward) == "backward");
  CHECK(to_string(span_kind::update) == "update");
  CHECK(to_string(span_kind::send) == "send");
  CHECK(to_string(span_kind::receive) == "receive");
  CHECK(to_string(span_kind::wait) == "wait");
}

TEST_CASE("consecutive spans touch, but for what is skipped") {
  timeline log(10);
  const auto before = std::chrono::steady_clock::now();
  span_recorder record(&log);
  record(span_kind::load, 0);
  record(span_kind::forward, 1);
  const auto pause = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < pause + 1ms) continue;
  record.skip();
  record(span_kind::backward, 1);
  const auto after = std::chrono::steady_clock::now();
  REQUIRE(log.spans().size() == 3);
  const auto s = log.spans();
  CHECK(before <= s[0].begin);
  CHECK(s[0].begin <= s[0].end);
  CHECK(s[1].begin == s[0].end);
  CHECK(s[2].begin - s[1].end >= 1ms);
  CHECK(s[2].end <= after);
  CHECK(s[1].kind == span_kind::forward);
  CHECK(s[1].id == 1);
  CHECK(s[1].peer == -1);

  span_recorder silent(nullptr);
  silent(span_kind::load, 0);
  silent.skip();
}
