#include "firecaffe/comm/cost.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "firecaffe/comm/halving_doubling_schedule.hpp"
#include "firecaffe/comm/parameter_server_schedule.hpp"
#include "firecaffe/comm/proof.hpp"
#include "firecaffe/comm/recursive_doubling_schedule.hpp"
#include "firecaffe/comm/ring_schedule.hpp"
#include "firecaffe/comm/tree_schedule.hpp"
#include "schedules.hpp"

using namespace firecaffe;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Nothing costs anything but the links.
machine links(double latency, double bandwidth) {
  machine m;
  m.network = m.memory = {latency, bandwidth};
  m.message_seconds = 0;
  m.add_rate = infinity;
  return m;
}

bool close(double found, double expected, double tolerance = 1e-9) {
  return std::abs(found - expected) <= tolerance * std::abs(expected);
}

double run(const machine& m, const node_map& nodes, const rehearsal& steps, double element_bytes, int window) {
  event_model model(m, nodes, window);
  model.add(steps, element_bytes);
  return model.run();
}

// Rank 0 sends `messages` messages to every other rank, or gets them.
rehearsal one_way(int ranks, bool out, int messages, std::size_t length, step_kind kind = step_kind::receive) {
  return rehearsal(ranks, [=](int rank) {
    std::vector<step> steps;
    for (int peer = 1; peer < ranks; ++peer)
      for (int i = 0; i < messages; ++i) {
        const auto k = static_cast<std::size_t>((peer - 1) * messages + i);
        const step_kind of_rank_0 = out ? step_kind::send : kind, of_peer = out ? kind : step_kind::send;
        if (rank == 0) steps.push_back({of_rank_0, peer, k * length, (k + 1) * length});
        if (rank == peer) steps.push_back({of_peer, 0, k * length, (k + 1) * length});
      }
    return steps;
  });
}

// Every rank and the one half the world away swap all they have.
struct swapping {
  static constexpr std::string_view name = "swapping";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t, Emit&& emit) {
    emit(step{step_kind::send, (rank + ranks / 2) % ranks, 0, elements});
    emit(step{step_kind::receive_add, (rank + ranks / 2) % ranks, 0, elements});
  }
};

// All but the last two ranks.
struct mostly {
  static constexpr std::string_view name = "mostly";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t, Emit&& emit) {
    if (rank >= ranks - 2) return;
    emit(step{step_kind::send, rank ^ 1, 0, elements});
    emit(step{step_kind::receive_add, rank ^ 1, 0, elements});
  }
};

struct silent {
  static constexpr std::string_view name = "silent";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t, Emit&& emit) {
    if (rank == 0) emit(step{step_kind::send, ranks - 1, 0, elements});
  }
};

struct waiting {
  static constexpr std::string_view name = "waiting";
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t, Emit&& emit) {
    emit(step{step_kind::receive, (rank + ranks - 1) % ranks, 0, elements});
    emit(step{step_kind::send, (rank + 1) % ranks, 0, elements});
  }
};

}  // namespace

TEST_CASE("the formulas of 128 nodes on gigabit Ethernet") {
  const machine m = links(50e-6, 125e6);
  const std::size_t n = 13'500'000;  // 54 MB
  const double whole = 54e6 / 125e6;
  CHECK(close(price<parameter_server_schedule<1>>(m, 128, n, 4, n), 109.7, 0.01));
  CHECK(close(price<tree_schedule>(m, 128, n, 4, n), 6.05, 0.01));
  CHECK(close(price<ring_schedule>(m, 128, n, 4, n), 0.870, 0.01));
  CHECK(close(price<halving_doubling_schedule>(m, 128, n, 4, n), 0.858, 0.01));
  // and to the last digit, where slices are equal
  CHECK(close(price<tree_schedule>(m, 128, n, 4, n), 14 * (whole + 50e-6)));
  const std::size_t even = std::size_t{128} * 64 * 1000;
  const double bytes = 4.0 * static_cast<double>(even);
  CHECK(close(price<ring_schedule>(m, 128, even, 4, even), least_seconds(m, 128, bytes) + 2 * 127 * 50e-6));
  CHECK(close(price<halving_doubling_schedule>(m, 128, even, 4, even), least_seconds(m, 128, bytes) + 14 * 50e-6));
}

TEST_CASE("a message, a queue of messages, adding, CPU and window") {
  machine m = links(3e-6, 1e9);
  const std::size_t length = 1000;  // of 4 bytes: 4 us
  const auto two = node_map::even(2, 1), nine = node_map::even(9, 1);
  CHECK(close(run(m, two, one_way(2, true, 1, length), 4, 2), 7e-6));
  CHECK(close(run(m, two, one_way(2, true, 5, length), 4, 8), 23e-6));
  CHECK(close(run(m, nine, one_way(9, true, 1, length), 4, 2), 35e-6));   // they queue to leave
  CHECK(close(run(m, nine, one_way(9, false, 1, length), 4, 2), 35e-6));  // they queue to come in
  // A window of one: the next message is asked for when the one before is there.
  CHECK(close(run(m, two, one_way(2, true, 5, length), 4, 1), 35e-6));

  m.message_seconds = 1e-6;
  CHECK(close(run(m, two, one_way(2, true, 1, length), 4, 2), 9e-6));
  m.add_rate = 2e9;
  CHECK(close(run(m, two, one_way(2, false, 1, length, step_kind::receive_add), 4, 2), 11e-6));
  // The adds of one rank are done one after the other: the last of eight messages is there after 3 + 1 + 32 us.
  m.message_seconds = 0;
  m.add_rate = 0.5e9;  // 8 us each
  CHECK(close(run(m, nine, one_way(9, false, 1, length, step_kind::receive_add), 4, 2), (3 + 4 + 64) * 1e-6));
  CHECK(close(run(m, nine, one_way(9, false, 1, length, step_kind::receive_add), 2, 2), (3 + 2 + 32) * 1e-6));
}

TEST_CASE("half duplex, and ranks that share a port") {
  machine m = links(0, 1e9);
  const std::size_t even = 8 * 64 * 1000;
  const double both = price<ring_schedule>(m, 8, even, 4, even);
  CHECK(close(both, least_seconds(m, 8, 4.0 * static_cast<double>(even))));
  m.full_duplex = false;
  CHECK(close(price<ring_schedule>(m, 8, even, 4, even), 2 * both));

  // Two nodes of four ranks: in a ring of neighbours one message at a time crosses each way; elsewhere memory is free.
  machine nodes = links(0, 1e9);
  nodes.memory.bandwidth = infinity;
  CHECK(close(price<ring_schedule>(nodes, node_map::even(2, 4), even, 4, even), both));
  // Every rank swaps all it has with a rank of the other node: four messages share each port.
  CHECK(close(price<swapping>(nodes, 8, 1000, 4, 1000), 4e-6));
  CHECK(close(price<swapping>(nodes, node_map::even(2, 4), 1000, 4, 1000), 16e-6));
}

TEST_CASE("one rank stands for all where all do the same") {
  const auto check = [](const std::string& name, int ranks, std::size_t n, std::size_t segment, auto same, auto list) {
    CAPTURE(name);
    CAPTURE(ranks);
    CAPTURE(n);
    CAPTURE(segment);
    const node_map nodes = node_map::even(ranks, 1);
    const rehearsal one = list(nodes, n, segment, false), all = list(nodes, n, segment, true);
    CHECK(one.symmetric() == same);
    CHECK(one.parts().size() == (same ? 1 : static_cast<std::size_t>(ranks)));
    REQUIRE(!all.symmetric());
    machine m = links(20e-6, 1e9);
    m.message_seconds = 2e-6;
    m.add_rate = 3e9;
    CHECK(close(run(m, nodes, one, 4, 2), run(m, nodes, all, 4, 2), 1e-6));
  };
  for (const int ranks : {4, 16, 32}) {
    const std::size_t n = static_cast<std::size_t>(ranks) * 64 * 50;
    for (const std::size_t segment : {n, std::size_t{640}}) {
      check("ring", ranks, n, segment, true, rehearse<ring_schedule>);
      check("halving-doubling", ranks, n, segment, true, rehearse<halving_doubling_schedule>);
      check("doubling", ranks, n, segment, true, rehearse<recursive_doubling_schedule>);
      check("tree", ranks, n, segment, false, rehearse<tree_schedule>);
    }
  }
  check("halving-doubling", 12, 12 * 6400, 12 * 6400, false, rehearse<halving_doubling_schedule>);
  check("two ranks", 2, 1000, 1000, false, rehearse<ring_schedule>);

  // Slices of unequal length: as long as the longest, by a block.
  const node_map nodes = node_map::even(7, 1);
  const std::size_t n = 7 * 64 * 20 + 64 * 3;
  const rehearsal one = rehearse<ring_schedule>(nodes, n, n), all = rehearse<ring_schedule>(nodes, n, n, true);
  REQUIRE(one.symmetric());
  const machine m = links(0, 1e9);
  CHECK(close(run(m, nodes, one, 4, 2), 12.0 * 21 * 64 * 4 / 1e9));
  CHECK(run(m, nodes, all, 4, 2) <= run(m, nodes, one, 4, 2));
  CHECK(run(m, nodes, all, 4, 2) >= 0.93 * run(m, nodes, one, 4, 2));
  // One rank without a partner breaks the symmetry.
  CHECK(!rehearse<mostly>(node_map::even(8, 1), 10, 10).symmetric());
}

TEST_CASE("never faster than the bound, and pipelining pays") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int repeat = 0; repeat < 40; ++repeat) {
    const int ranks = 2 + static_cast<int>(random() % 30);
    const std::size_t n = 1 + random() % 100000, segment = 64 * (1 + random() % 1000);
    CAPTURE(ranks);
    CAPTURE(n);
    CAPTURE(segment);
    const machine m = links(1e-6 * static_cast<double>(random() % 100), 1e6 * static_cast<double>(1 + random() % 1000));
    const double least = least_seconds(m, ranks, 4.0 * static_cast<double>(n));
    CHECK(price<tree_schedule>(m, ranks, n, 4, segment) >= least);
    CHECK(price<ring_schedule>(m, ranks, n, 4, segment) >= 0.999999 * least);
    CHECK(price<halving_doubling_schedule>(m, ranks, n, 4, segment) >= 0.999999 * least);
    CHECK(price<test::star_schedule>(m, ranks, n, 4, segment) >= 0.999999 * least);
  }
  const machine m = links(50e-6, 125e6);
  CHECK(price<tree_schedule>(m, 8, 1 << 20, 4, 1 << 16) < 0.7 * price<tree_schedule>(m, 8, 1 << 20, 4, 1 << 20));
  CHECK(price<tree_schedule>(m, 1, 1000, 4, 1000) == 0);
  CHECK(price<tree_schedule>(m, 8, 0, 4, 1000) == 0);
}

TEST_CASE("broken schedules are refused") {
  const machine m;
  CHECK_THROWS_AS(price<silent>(m, 3, 10, 4, 10), usage_error);
  CHECK_THROWS_AS(price<waiting>(m, 3, 10, 4, 10), usage_error);
  CHECK_THROWS_AS(price<tree_schedule>(m, 3, 10, 4, 10, 0), usage_error);
}

TEST_CASE("a step hides what its backward pass leaves time for") {
  machine m = links(0, 1e9);
  const std::size_t n = 4 * 64 * 1000;  // of 4 bytes over 4 ranks by a ring: 1.5 * 1.024 ms
  const double sum = price<ring_schedule>(m, 4, n, 4, n);
  const node_map nodes = node_map::even(4, 1);
  const auto by_ring = [&](const machine& where, const step_work& work) {
    return price_step<ring_schedule>(where, nodes, work, 4, n);
  };
  // Forward 2 ms, backward 3 + 5 ms; the first bucket is there after 5 ms.
  step_work work{{2e-3, 3e-3, 5e-3}, {{n, 1}, {n, 2}}, 1e-3, false};
  CHECK(close(work.compute(), 11e-3));
  step_cost cost = by_ring(m, work);
  CHECK(close(cost.seconds, 11e-3 + sum));  // the second bucket is exposed, the first is not
  CHECK(close(cost.exposed(), sum));
  const compute_plan merged = step_work{{1, 2, 3, 4, 5}, {{n, 2}, {n, 4}, {n, 2}}, 0, false}.plan();
  CHECK(merged.ops == std::vector<double>{6, 9});
  CHECK(merged.starts == std::vector<std::size_t>{0, 1, 0});
  // Two buckets at once share the ports.
  work.buckets = {{n, 2}, {n, 2}};
  CHECK(close(by_ring(m, work).exposed(), 2 * sum, 0.2));
  CHECK(by_ring(m, work).exposed() >= 2 * sum * 0.999999);
  // On a link that is too slow, the end is when the link has carried everything since the first bucket.
  const machine slow = links(0, 1e8);
  work.buckets = {{n, 1}, {n, 2}};
  CHECK(close(by_ring(slow, work).seconds, 5e-3 + 20 * sum + 1e-3, 0.1));

  // Polled between ops only: the ring's six rounds cannot all move during the last op.
  work.polled = true;
  work.buckets = {{n, 1}};
  CHECK(close(by_ring(m, work).exposed(), sum * 5 / 6));
  work.ops = {2e-3, 3e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3};
  CHECK(close(by_ring(m, work).exposed(), sum / 6));
  work.polled = false;
  CHECK(by_ring(m, work).exposed() < 1e-12);
  // Adding on the thread that computes takes its time.
  m.add_rate = 1e9;
  const double added = 3.0 / 4 * 4 * static_cast<double>(n) / 1e9;
  work.polled = true;
  CHECK(by_ring(m, work).exposed() >= added);

  // A tree among the buckets: every rank is run.
  const auto mixed = [&](std::size_t elements, bool whole) {
    return elements == n ? rehearse<ring_schedule>(nodes, elements, elements, whole)
                         : rehearse<tree_schedule>(nodes, elements, elements, whole);
  };
  m.add_rate = infinity;
  work = {{2e-3, 3e-3, 5e-3}, {{n, 1}, {1000, 2}}, 0, false};
  std::vector<rehearsal> steps = rehearse_step(work.buckets, mixed);
  CHECK((!steps[0].symmetric() && !steps[1].symmetric()));
  CHECK(close(price_step(m, nodes, work, steps, 4).exposed(), price<tree_schedule>(m, 4, 1000, 4, 1000), 1e-6));
  CHECK(price_step(m, node_map(1), work, steps, 4).exposed() == 0);
  steps.pop_back();
  CHECK_THROWS_AS(price_step(m, nodes, work, steps, 4), usage_error);
}

TEST_CASE("a device at small batches") {
  machine m;
  m.flops = 1e12;
  CHECK(m.rate(4) == 1e12);
  m.half_batch = 16;
  CHECK(close(m.rate(16), 0.5e12));
  CHECK(close(m.rate(48), 0.75e12));
}
