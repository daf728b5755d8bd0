#include "firecaffe/core/layout.hpp"

#include <doctest/doctest.h>

#include <set>
#include <vector>

namespace fc = firecaffe;

TEST_CASE("every element of a blocked value has a place of its own within the sample") {
  for (int block : {1, 8, 16})
    for (int channels : {1, 3, 8, 13, 16, 33}) {
      const fc::shape s{channels, 3, 5};
      const fc::layout l = fc::blocked_layout(s, block);
      CHECK(l.sample == std::ptrdiff_t(fc::round_up(std::size_t(channels), std::size_t(block))) * 15);
      std::set<std::ptrdiff_t> seen;
      for (int n = 0; n < 2; ++n)
        for (int c = 0; c < channels; ++c)
          for (int p = 0; p < 15; ++p) {
            const std::ptrdiff_t at = l.offset(n, c, p);
            CHECK((at >= n * l.sample && at < (n + 1) * l.sample));
            seen.insert(at);
          }
      CHECK(seen.size() == std::size_t(2 * s.elements()));
    }
  CHECK(fc::blocked_layout({5, 2, 3}, 1).offset(1, 2, 4) == 30 + 12 + 4);       // (N, C, H, W)
  CHECK(fc::blocked_layout({16, 2, 3}, 8).offset(0, 10, 4) == 48 + 4 * 8 + 2);  // (N, C/8, H, W, 8)
}

TEST_CASE("weights come back from any layout, and their padding is zero") {
  // (O/4, I/8, K, 8, 4) of a weight (6, 11, 3)
  const fc::weight_layout blocked{6, 11, 3, 4, 8, 2 * 3 * 32, 1, 3 * 32, 4, 32, 2 * 2 * 3 * 32};
  for (const fc::weight_layout& l : {blocked, fc::canonical_layout(6, 11, 3)}) {
    std::vector<double> canonical(l.canonical()), back(l.canonical());
    for (std::size_t i = 0; i < canonical.size(); ++i) canonical[i] = double(i + 1);
    std::vector<float> stored(l.extent, -1.0f);
    fc::store_weights(l, canonical.data(), stored.data());
    fc::load_weights(l, stored.data(), back.data());
    CHECK(back == canonical);
    std::size_t zeros = 0;
    for (float v : stored) zeros += v == 0.0f;
    CHECK(zeros == l.extent - l.canonical());
    CHECK(stored[std::size_t(l.offset(5, 10, 2))] == float(l.canonical()));
  }
}
