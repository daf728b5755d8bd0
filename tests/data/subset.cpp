#include "firecaffe/data/subset.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "firecaffe/data/view.hpp"

namespace fc = firecaffe;

namespace {

// Samples that tell which they are, and in which epoch they were read.
struct by_epoch {
  std::size_t size() const { return 7; }
  fc::shape extents() const { return {1, 1, 1}; }
  void read(std::size_t index, float* values, std::int32_t* label) const { read(index, 0, values, label); }
  void read(std::size_t index, int epoch, float* values, std::int32_t* label) const {
    *values = float(epoch), *label = std::int32_t(index);
  }
};

}  // namespace

TEST_CASE("a subset hands out the samples of its range, of the epoch that is asked for") {
  const by_epoch all;
  const fc::data::subset part(all, 2, 6);
  static_assert(fc::data::labelled_dataset<decltype(part)>);
  REQUIRE(part.size() == 4);
  CHECK(part.extents() == all.extents());
  for (std::size_t i = 0; i < 4; ++i) {
    float value = -1;
    std::int32_t label = -1;
    fc::data::read_sample(part, i, 3, &value, &label);
    CHECK(value == 3);
    CHECK(label == std::int32_t(i + 2));
    part.read(i, &value, &label);
    CHECK(value == 0);
    CHECK(label == std::int32_t(i + 2));
  }
  float value = 0;
  std::int32_t label = 0;
  CHECK_THROWS_WITH_AS(part.read(4, &value, &label), "data::subset: sample 4 of 4", fc::usage_error);
}

TEST_CASE("a subset of samples with targets has targets") {
  std::vector<float> values(6), targets(12);
  std::iota(values.begin(), values.end(), 1.0f);
  std::iota(targets.begin(), targets.end(), 100.0f);
  const fc::data::regression_view all(values, {1, 1, 2}, targets, {4});
  const fc::data::subset part(all, 1, 3);
  static_assert(fc::data::regression_dataset<decltype(part)>);
  CHECK(part.target_extents() == all.target_extents());
  float value[2] = {}, target[4] = {};
  part.read(1, value, target);
  CHECK(value[1] == 6);
  CHECK(target[0] == 108);
}

TEST_CASE("ranges that hold nothing or are not there are refused") {
  const by_epoch all;
  CHECK_THROWS_WITH_AS(fc::data::subset(all, 3, 3), "data::subset: samples [3, 3) of 7", fc::usage_error);
  CHECK_THROWS_AS(fc::data::subset(all, 4, 3), fc::usage_error);
  CHECK_THROWS_AS(fc::data::subset(all, 0, 8), fc::usage_error);
  CHECK(fc::data::subset(all, 0, 7).size() == 7);
}
