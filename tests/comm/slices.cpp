#include "firecaffe/comm/slices.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace firecaffe;

static_assert(slice_of(0, 3, 100) == slice{0, 0});
static_assert(slice_of(1, 3, 100) == slice{0, 64});
static_assert(slice_of(2, 3, 100) == slice{64, 100});
static_assert(slice_of(0, 1, 5) == slice{0, 5});
static_assert(slice_of(6, 7, 0).size() == 0);

TEST_CASE("slices part the buffer at whole blocks, as evenly as blocks allow") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  for (int repeat = 0; repeat < 300; ++repeat) {
    const int parts = 1 + static_cast<int>(random() % 1500);
    const auto elements = static_cast<std::size_t>(random() >> (random() % 63));  // of any magnitude
    CAPTURE(parts);
    CAPTURE(elements);
    std::size_t at = 0, least = static_cast<std::size_t>(-1), most = 0;
    for (int i = 0; i < parts; ++i) {
      const slice s = slice_of(i, parts, elements);
      REQUIRE(s.first == at);
      REQUIRE(s.last >= s.first);
      if (i < parts - 1) REQUIRE((s.last % slice_alignment == 0 || s.last == elements));
      at = s.last;
      const std::size_t blocks = s.size() / slice_alignment + (s.size() % slice_alignment != 0);
      least = std::min(least, blocks);
      most = std::max(most, blocks);
    }
    REQUIRE(at == elements);
    REQUIRE(most - least <= 1);
  }
}

TEST_CASE("segments, the same ones backwards") {
  std::vector<step> steps;
  const auto emit = [&](const step& s) { steps.push_back(s); };
  emit_segments(step_kind::send, 3, {10, 35}, 10, emit);
  REQUIRE(steps.size() == 3);
  CHECK((steps[0].first == 10 && steps[0].last == 20 && steps[2].first == 30 && steps[2].last == 35));
  CHECK((steps[1].kind == step_kind::send && steps[1].peer == 3));
  steps.clear();
  emit_segments_backwards(step_kind::receive, 1, {10, 35}, 10, emit);
  REQUIRE(steps.size() == 3);
  CHECK((steps[0].first == 30 && steps[0].last == 35 && steps[2].first == 10 && steps[2].last == 20));
  steps.clear();
  emit_segments(step_kind::send, 3, {7, 7}, 10, emit);
  CHECK(steps.empty());
  emit_segments(step_kind::send, 3, {7, 9}, static_cast<std::size_t>(-1), emit);
  CHECK(steps.size() == 1);
}
