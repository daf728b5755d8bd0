#include "firecaffe/data/synthetic.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "firecaffe/data/dataset.hpp"

namespace fc = firecaffe;
using fc::data::synthetic;

static_assert(fc::data::labelled_dataset<synthetic>);

TEST_CASE("a sample depends on seed and index alone, and writes nothing else") {
  const fc::shape extents{.channels = 3, .height = 5, .width = 3};  // 45: no multiple of 4
  const synthetic a({.samples = 100, .extents = extents, .classes = 7, .seed = 1});
  const synthetic b({.samples = 9, .extents = extents, .classes = 7, .seed = 1});
  const synthetic c({.samples = 9, .extents = extents, .classes = 7, .seed = 2});
  std::vector<float> x(46, NAN), y(46, NAN), z(46, NAN), w(46, NAN);
  std::int32_t label_a = -1, label_b = -1, label_c = -1;
  a.read(5, x.data(), &label_a);
  a.read(6, w.data(), &label_c);
  b.read(5, y.data(), &label_b);
  c.read(5, z.data(), &label_c);
  CHECK(label_a == label_b);
  int equal = 0;
  for (std::size_t i = 0; i < 45; ++i) {
    CHECK(x[i] == y[i]);
    equal += (x[i] == z[i]) + (x[i] == w[i]);
  }
  CHECK(equal == 0);
  CHECK(std::isnan(x[45]));
}

TEST_CASE("labels and values are spread as promised") {
  const synthetic s({.samples = 20000, .extents = {.channels = 4}, .classes = 5, .seed = 3});
  std::vector<int> count(5);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    float v[4];
    std::int32_t label = -1;
    s.read(i, v, &label);
    REQUIRE(label >= 0);
    REQUIRE(label < 5);
    ++count[static_cast<std::size_t>(label)];
    for (const float x : v) {
      REQUIRE(std::abs(x) <= 1);
      sum += x;
      squares += double{x} * x;
    }
  }
  for (const int c : count) CHECK(std::abs(c - 4000) < 300);
  CHECK(std::abs(sum / 80000) < 0.01);
  CHECK(squares / 80000 == doctest::Approx(1.0 / 3).epsilon(0.02));
}

TEST_CASE("with a signal, samples of a class are alike") {
  const synthetic s({.samples = 400, .extents = {.channels = 64}, .classes = 2, .seed = 3, .signal = 1});
  std::vector<double> first, mean_same(2);
  int n[2] = {};
  for (std::size_t i = 0; i < s.size(); ++i) {
    std::vector<float> v(64);
    std::int32_t label = -1;
    s.read(i, v.data(), &label);
    if (i == 0) {
      first.assign(v.begin(), v.end());
      first.push_back(label);
      continue;
    }
    double dot = 0;
    for (std::size_t j = 0; j < 64; ++j) dot += first[j] * v[j];
    const int same = label == static_cast<int>(first[64]);
    mean_same[static_cast<std::size_t>(same)] += dot;
    ++n[same];
  }
  CHECK(mean_same[1] / n[1] > mean_same[0] / n[0] + 10);
}

TEST_CASE("nonsense is refused") {
  CHECK_THROWS_AS(synthetic({.samples = 1, .extents = {.channels = 0}}), fc::usage_error);
  CHECK_THROWS_AS(synthetic({.samples = 1, .extents = {}, .classes = 0}), fc::usage_error);
  float v;
  std::int32_t label = 0;
  CHECK_THROWS_AS(synthetic({.samples = 3, .extents = {}}).read(3, &v, &label), fc::usage_error);
}
