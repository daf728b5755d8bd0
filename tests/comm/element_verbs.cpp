#include "firecaffe/comm/element_verbs.hpp"

#include <doctest/doctest.h>

#include <random>
#include <span>
#include <type_traits>
#include <vector>

#include "firecaffe/comm/algorithms.hpp"
#include "firecaffe/comm/contract.hpp"
#include "slow_memory.hpp"

using namespace firecaffe;
using test::device_transport;

static_assert(!works_apart<host_memory> && works_apart<test::slow_memory>);
static_assert(gradient_communicator<ring<device_transport>> && sums_on_device<ring<device_transport>>);
static_assert(!sums_on_device<ring<local::transport>>);
static_assert(std::is_same_v<memory_of<local::transport>, host_memory>);

namespace {

// Several buckets at once, sums of whole numbers, so that any order of additions gives the same bits.
template <class Communicator>
bool adds_up(local::transport wire, unsigned seed) {
  std::mt19937 same{seed}, mine{seed + 1 + static_cast<unsigned>(wire.rank())};
  std::vector<std::vector<float>> data;
  for (int b = 0; b < 4; ++b) data.emplace_back(same() % 3000);
  Communicator all{wire, {.segment_bytes = 512, .window = 1 + static_cast<int>(same() % 4)}};
  bool right = true;
  for (int iteration = 0; iteration < 3; ++iteration) {
    for (std::size_t b = 0; b < data.size(); ++b) {
      for (std::size_t i = 0; i < data[b].size(); ++i)
        data[b][i] = static_cast<float>(i + b + static_cast<std::size_t>(wire.rank()));
      all.start(static_cast<int>(b), std::span{data[b]});
      if (mine() % 2) all.progress();
    }
    double count = 1;
    all.sum({&count, 1});
    right = right && count == wire.size();
    all.wait_all();
    const std::size_t p = static_cast<std::size_t>(wire.size());
    for (std::size_t b = 0; b < data.size(); ++b)
      for (std::size_t i = 0; i < data[b].size(); ++i)
        right = right && data[b][i] == static_cast<float>(p * (i + b) + p * (p - 1) / 2);
  }
  return right;
}

template <class... Communicators>
void check(int ranks, unsigned seed) {
  const auto one = [&](auto type) {
    using communicator_type = typename decltype(type)::type;
    std::vector<char> right(static_cast<std::size_t>(ranks));
    local::run(ranks, [&](local::transport wire) {
      right[static_cast<std::size_t>(wire.rank())] = adds_up<communicator_type>(wire, seed);
    });
    for (const char r : right) CHECK_MESSAGE(r, communicator_type::name());
  };
  (one(std::type_identity<Communicators>{}), ...);
}

}  // namespace

TEST_CASE("a transport that reaches a device's memory has segments of its own, and no progress thread") {
  local::world world{1};
  CHECK(tree<device_transport>{world.transport(0)}.options().segment_bytes == device_transport::segment_bytes);
  CHECK(tree<device_transport>{world.transport(0), {.window = 3}}.options().segment_bytes == 60 * 1024);
  local::run(2, [](local::transport wire) {
    CHECK_THROWS_AS((tree<device_transport>{wire, {.progress_thread = true}}), usage_error);
  });
}

TEST_CASE("a sum that is formed late is neither sent before nor written over") {
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  for (const int ranks : {1, 2, 3, 4, 5, 8}) {
    CAPTURE(ranks);
    check<tree<device_transport>, double_tree<device_transport>, pipelined_chain<device_transport>,
          ring<device_transport>, halving_doubling<device_transport>, recursive_doubling<device_transport>,
          direct<device_transport>, parameter_server<device_transport>, parameter_server<device_transport, 2>,
          hierarchical<direct_schedule, ring_schedule, device_transport>>(ranks, seed);
  }
}
