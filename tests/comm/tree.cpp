#include "firecaffe/comm/tree.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "firecaffe/comm/local.hpp"

using namespace firecaffe;

namespace {

// What every rank holds after one allreduce of `data[rank]`.
std::vector<std::vector<float>> reduce(std::vector<std::vector<float>> data, std::size_t segment_bytes) {
  local::run(static_cast<int>(data.size()), [&](local::transport wire) {
    tree<local::transport> all{wire, {.segment_bytes = segment_bytes, .timeout = std::chrono::seconds{60}}};
    all.start(0, std::span{data[static_cast<std::size_t>(wire.rank())]});
    all.wait(0);
  });
  return data;
}

}  // namespace

TEST_CASE("the bits depend on the number of ranks, not on segments or repetition") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (const std::size_t ranks : {2u, 3u, 7u, 12u, 33u}) {
    for (const std::size_t n : {std::size_t{0}, std::size_t{1}, ranks - 1, std::size_t{random() % 4000}}) {
      CAPTURE(ranks);
      CAPTURE(n);
      std::vector<std::vector<float>> data(ranks, std::vector<float>(n));
      for (auto& part : data)
        for (float& x : part) x = std::uniform_real_distribution<float>{-1, 1}(random);
      const auto whole = reduce(data, 1 << 20);
      const auto pieces = reduce(data, 8 + random() % 1000);
      for (std::size_t r = 0; r < ranks; ++r) {
        REQUIRE((n == 0 || std::memcmp(whole[r].data(), whole[0].data(), n * sizeof(float)) == 0));
        REQUIRE((n == 0 || std::memcmp(pieces[r].data(), whole[0].data(), n * sizeof(float)) == 0));
      }
    }
  }
}

TEST_CASE("more ranks than cores") {
  const auto result = reduce(std::vector<std::vector<float>>(130, std::vector<float>(57, 1.0f)), 80);
  for (const auto& part : result) REQUIRE(part == std::vector<float>(57, 130.0f));
}
