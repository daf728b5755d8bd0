#include "firecaffe/observe/overlap.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace firecaffe;
using namespace std::chrono_literals;
using observe::measure_overlap;
using observe::overlap;

namespace {

time_span::time_point at(std::chrono::nanoseconds t) { return time_span::time_point{} + t; }

bool near(double a, double b) { return std::abs(a - b) < 1e-12; }

}  // namespace

TEST_CASE("a message behind an op is hidden, one behind nothing is not") {
  timeline log(20);
  CHECK(measure_overlap(log).fraction() == 1);  // nothing to hide
  log.record(span_kind::load, 0, -1, at(0ms), at(1ms));
  log.record(span_kind::forward, 0, -1, at(1ms), at(10ms));
  log.record(span_kind::backward, 0, -1, at(10ms), at(20ms));
  CHECK(measure_overlap(log).fraction() == 1);
  log.record(span_kind::send, 0, 1, at(12ms), at(18ms));     // hidden
  log.record(span_kind::receive, 0, 1, at(16ms), at(24ms));  // 16 to 20, and behind the update 22 to 23
  log.record(span_kind::update, 0, -1, at(22ms), at(23ms));
  log.record(span_kind::wait, 0, -1, at(20ms), at(22ms));
  const overlap o = measure_overlap(log);
  CHECK(near(o.communication, 12e-3));
  CHECK(near(o.hidden, 9e-3));
  CHECK(near(o.compute, 20e-3));
  CHECK(near(o.waited, 2e-3));
  CHECK(near(o.fraction(), 0.75));
  // Spans without length, or that run backwards, are nothing.
  log.record(span_kind::send, 0, 1, at(30ms), at(30ms));
  log.record(span_kind::send, 0, 1, at(32ms), at(31ms));
  CHECK(near(measure_overlap(log).communication, 12e-3));
  // What a progress thread recorded counts as if it were here.
  timeline thread(1);
  thread.record(span_kind::receive, 0, 1, at(0ms), at(15ms));
  CHECK(near(measure_overlap({&log, &thread}).communication, 24e-3));
  CHECK(near(measure_overlap({&thread, &log}).hidden, 20e-3));
}

TEST_CASE("random spans, against a count of instants") {
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int trial = 0; trial < 50; ++trial) {
    constexpr std::size_t instants = 2000;
    bool message[instants] = {}, computing[instants] = {}, waiting[instants] = {};
    timeline log(60);
    for (std::size_t n = random() % 60; n > 0; --n) {
      const auto kind = static_cast<span_kind>(random() % 7);
      const std::size_t begin = random() % instants,
                        end = begin + random() % std::min<std::size_t>(200, instants - begin);
      log.record(kind, 0, 0, at(std::chrono::microseconds(begin)), at(std::chrono::microseconds(end)));
      bool* const role = kind == span_kind::send || kind == span_kind::receive ? message
                         : kind == span_kind::wait                             ? waiting
                         : kind == span_kind::load                             ? nullptr
                                                                               : computing;
      for (std::size_t i = begin; role && i < end; ++i) role[i] = true;
    }
    overlap expected;
    for (std::size_t i = 0; i < instants; ++i) {
      expected.communication += message[i] * 1e-6;
      expected.compute += computing[i] * 1e-6;
      expected.hidden += (message[i] && computing[i]) * 1e-6;
      expected.waited += (waiting[i] && !computing[i]) * 1e-6;
    }
    const overlap o = measure_overlap(log);
    CHECK(near(o.communication, expected.communication));
    CHECK(near(o.compute, expected.compute));
    CHECK(near(o.hidden, expected.hidden));
    CHECK(near(o.waited, expected.waited));
  }
}
