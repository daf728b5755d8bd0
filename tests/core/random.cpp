#include "firecaffe/core/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

namespace fc = firecaffe;

TEST_CASE("philox4x32-10 gives the published vectors") {
  // Random123's known answers for philox 4x32 with ten rounds.
  const fc::random_block zero = fc::philox({{0, 0, 0, 0}}, 0, 0);
  CHECK((zero.word[0] == 0x6627e8d5u && zero.word[1] == 0xe169c58du && zero.word[2] == 0xbc57ac4cu &&
         zero.word[3] == 0x9b00dbd8u));
  const fc::random_block ones = fc::philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u);
  CHECK((ones.word[0] == 0x408f276du && ones.word[1] == 0x41c83b0eu && ones.word[2] == 0xa20bc7c6u &&
         ones.word[3] == 0x6d5451fdu));
  const fc::random_block pi =
      fc::philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u, 0x299f31d0u);
  CHECK((pi.word[0] == 0xd16cfe09u && pi.word[1] == 0x94fdccebu && pi.word[2] == 0x5001e420u &&
         pi.word[3] == 0x24126ea1u));
}

TEST_CASE("streams of different keys differ") {
  std::set<std::uint32_t> seen;
  int count = 0;
  for (std::uint64_t seed : {1ull, 2ull, 1ull << 40})
    for (std::uint32_t step : {0u, 1u})
      for (std::uint32_t sample : {0u, 1u})
        for (auto use : {fc::random_use::filler, fc::random_use::dropout, fc::random_use::test})
          for (std::uint32_t part : {0u, 1u, 0xFFFFFFu})
            for (std::uint64_t i = 0; i < 8; ++i, ++count)
              seen.insert(fc::random_word({seed, step, sample, use, part}, i));
  CHECK(int(seen.size()) >= count - 1);  // a coincidence of 32-bit words is rare
}

TEST_CASE("units are uniform and never 0 or 1") {
  CHECK(fc::to_unit(0) > 0);
  CHECK(fc::to_unit(~0u) < 1);
  double mean = 0, square = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double u = fc::random_unit({17, 0, 0, fc::random_use::test, 0}, std::uint64_t(i));
    mean += u / n, square += u * u / n;
  }
  CHECK(std::fabs(mean - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(std::fabs(square - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / n));
}
