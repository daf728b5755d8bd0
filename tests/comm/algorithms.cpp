#include "firecaffe/comm/algorithms.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/local.hpp"

using namespace firecaffe;

static_assert(gradient_communicator<ring<local::transport>>);
static_assert(gradient_communicator<hierarchical<direct_schedule, ring_schedule, local::transport>>);
static_assert(std::same_as<parameter_server<local::transport>::algorithm, parameter_server_schedule<1>>);
static_assert(std::same_as<parameter_server<local::transport, 4>::algorithm, parameter_server_schedule<4>>);

namespace {

std::vector<std::vector<float>> random_data(std::size_t ranks, std::size_t n, std::mt19937& random) {
  std::vector<std::vector<float>> data(ranks, std::vector<float>(n));
  for (auto& part : data)
    for (float& x : part) x = std::uniform_real_distribution<float>{-1, 1}(random);
  return data;
}

// What every rank holds after one allreduce of `data[rank]`.
template <class Communicator>
std::vector<std::vector<float>> reduce(std::vector<std::vector<float>> data, std::size_t segment_bytes) {
  local::run(static_cast<int>(data.size()), [&](local::transport wire) {
    Communicator all{wire, {.segment_bytes = segment_bytes, .timeout = std::chrono::seconds{60}}};
    all.start(0, std::span{data[static_cast<std::size_t>(wire.rank())]});
    all.wait(0);
  });
  return data;
}

// The bits depend on the number of ranks and elements, not on segments or repetition.
template <class Communicator>
void check_bits(unsigned seed) {
  std::mt19937 random{seed};
  CAPTURE(seed);
  CAPTURE(Communicator::name());
  for (const std::size_t ranks : {2u, 3u, 7u, 12u, 33u})
    for (const std::size_t n : {std::size_t{0}, std::size_t{1}, ranks - 1, std::size_t{random() % 4000}}) {
      CAPTURE(ranks);
      CAPTURE(n);
      const auto data = random_data(ranks, n, random);
      const auto whole = reduce<Communicator>(data, 1 << 20);
      const auto pieces = reduce<Communicator>(data, 8 + random() % 1000);
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (const auto& part : data) sum += static_cast<double>(part[i]);
        const double bound =
            static_cast<double>(std::numeric_limits<float>::epsilon() * static_cast<float>(ranks * ranks));
        if (!(std::abs(sum - static_cast<double>(whole[0][i])) <= bound)) FAIL("element " << i);
      }
      for (std::size_t r = 0; r < ranks; ++r) {
        REQUIRE((n == 0 || std::memcmp(whole[r].data(), whole[0].data(), n * sizeof(float)) == 0));
        REQUIRE((n == 0 || std::memcmp(pieces[r].data(), whole[0].data(), n * sizeof(float)) == 0));
      }
    }
}

}  // namespace

TEST_CASE("the bits do not depend on segments or repetition") {
  const unsigned seed = std::random_device{}() % 1000000;
  check_bits<tree<local::transport>>(seed);
  check_bits<double_tree<local::transport>>(seed);
  check_bits<pipelined_chain<local::transport>>(seed);
  check_bits<ring<local::transport>>(seed);
  check_bits<halving_doubling<local::transport>>(seed);
  check_bits<recursive_doubling<local::transport>>(seed);
  check_bits<direct<local::transport>>(seed);
  check_bits<parameter_server<local::transport>>(seed);
  check_bits<parameter_server<local::transport, 3>>(seed);
  check_bits<hierarchical<tree_schedule, ring_schedule, local::transport>>(seed);
}

TEST_CASE("more ranks than cores") {
  const std::vector<std::vector<float>> ones(130, std::vector<float>(57, 1.0f));
  for (const auto& part : reduce<tree<local::transport>>(ones, 80)) REQUIRE(part == std::vector<float>(57, 130.0f));
  for (const auto& part : reduce<ring<local::transport>>(ones, 80)) REQUIRE(part == std::vector<float>(57, 130.0f));
}

TEST_CASE("names tell the algorithms apart") {
  CHECK(pipelined_chain<local::transport>::name() == "pipelined_chain<local>");
  CHECK(parameter_server<local::transport, 2>::name() == "parameter_server<2><local>");
  CHECK(hierarchical<direct_schedule, tree_schedule, local::transport>::name() == "hierarchical<direct, tree><local>");
}
