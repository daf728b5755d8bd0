#include "firecaffe/data/view.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace fc = firecaffe;

TEST_CASE("a view hands out the caller's samples as they lie, with nothing beside them") {
  const fc::shape extents{.channels = 2, .height = 3, .width = 4};
  std::vector<float> values(5 * 24);
  std::iota(values.begin(), values.end(), 1.0f);
  const std::vector<std::int32_t> labels{4, 3, 2, 1, 0};
  const fc::data::view v(values, extents, labels, 5);
  REQUIRE(v.size() == 5);
  CHECK(v.extents() == extents);
  for (std::size_t i = 0; i < 5; ++i) {
    std::vector<float> sample(26, NAN);
    std::int32_t label[3] = {-7, -7, -7};
    v.read(i, sample.data() + 1, label + 1);
    CHECK(std::isnan(sample.front()));
    CHECK(std::isnan(sample.back()));
    for (std::size_t j = 0; j < 24; ++j) CHECK(sample[j + 1] == values[i * 24 + j]);
    CHECK(label[0] == -7);
    CHECK(label[1] == labels[i]);
    CHECK(label[2] == -7);
  }
  values[0] = 99;  // no copy was made
  std::vector<float> sample(24);
  std::int32_t label = 0;
  v.read(0, sample.data(), &label);
  CHECK(sample[0] == 99);
  CHECK_THROWS_AS(v.read(5, sample.data(), &label), fc::usage_error);
}

TEST_CASE("sizes that do not fit together are refused") {
  const std::vector<float> values(24);
  const std::vector<std::int32_t> labels(2);
  CHECK_NOTHROW(fc::data::view(values, {.channels = 12}, labels));
  CHECK_THROWS_WITH_AS(fc::data::view(values, {.channels = 7}, labels),
                       "data::view: 24 values are no whole number of samples of 7", fc::usage_error);
  CHECK_THROWS_WITH_AS(fc::data::view(values, {.channels = 8}, labels), "data::view: 2 labels for 3 samples",
                       fc::usage_error);
  CHECK_THROWS_AS(fc::data::view(values, {.channels = 0}, labels), fc::usage_error);
  CHECK_THROWS_AS(fc::data::view(values, {.channels = -4, .height = -3}, labels), fc::usage_error);
  CHECK_THROWS_AS(fc::data::view(values, {.channels = 12}, labels, -1), fc::usage_error);
  CHECK(fc::data::view({}, {.channels = 12}, {}).size() == 0);
}

TEST_CASE("a label out of range is an error at its sample, and only where classes are given") {
  const std::vector<float> values(4);
  const std::vector<std::int32_t> labels{0, 3, -1, 2};
  const fc::data::view v(values, {}, labels, 3), unchecked(values, {}, labels);
  float value;
  std::int32_t label = 0;
  CHECK_NOTHROW(v.read(0, &value, &label));
  CHECK_THROWS_WITH_AS(v.read(1, &value, &label), "data::view: sample 1 has label 3, not one of [0, 3)",
                       fc::usage_error);
  CHECK_THROWS_AS(v.read(2, &value, &label), fc::usage_error);
  CHECK_NOTHROW(v.read(3, &value, &label));
  unchecked.read(2, &value, &label);
  CHECK(label == -1);
}

TEST_CASE("a regression view reads targets of any extents") {
  const std::vector<float> values{1, 2, 3, 4, 5, 6}, targets{10, 20, 30, 40, 50, 60, 70, 80, 90};
  const fc::data::regression_view v(values, {.width = 2}, targets, {.channels = 3});
  REQUIRE(v.size() == 3);
  CHECK(v.target_extents() == fc::shape{.channels = 3});
  float value[2], target[3];
  v.read(2, value, target);
  CHECK(value[0] == 5);
  CHECK(value[1] == 6);
  CHECK(target[0] == 70);
  CHECK(target[2] == 90);
  CHECK_THROWS_AS(fc::data::regression_view(values, {.width = 3}, targets, {.channels = 3}), fc::usage_error);
  CHECK_THROWS_AS(v.read(3, value, target), fc::usage_error);
}
