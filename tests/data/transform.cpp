#include "firecaffe/data/transform.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "firecaffe/data/any.hpp"
#include "firecaffe/data/prefetch.hpp"
#include "firecaffe/data/synthetic.hpp"
#include "firecaffe/data/view.hpp"

namespace fc = firecaffe;
using fc::data::as_images;
using fc::data::image_part;
using fc::data::image_view;
using fc::data::transform_options;
using fc::data::transformed;

// Interleaved or planar bytes in which each says where it is: 100 index + 20 channel + 4 row + column, modulo 256.
struct marked {
  using target = std::int32_t;
  struct scratch {
    std::vector<std::uint8_t> bytes;
  };
  std::size_t count = 5;
  int c = 3, h = 6, w = 5;
  bool interleaved = true, ragged = false;
  static std::uint8_t value(std::size_t i, int ch, int y, int x) {
    return static_cast<std::uint8_t>(100 * i + static_cast<unsigned>(20 * ch + 4 * y + x));
  }
  std::size_t size() const { return count; }
  int channels() const { return c; }
  template <class Choose>
  image_view image(std::size_t index, int, Choose&& choose, scratch& s, std::int32_t* label) const {
    const int high = h + (ragged ? static_cast<int>(index) : 0);
    s.bytes.resize(static_cast<std::size_t>(c * high * w));
    image_view v = fc::data::planar_view(c, high, w);
    if (interleaved) v.channel = 1, v.row = w * c, v.pixel = c;
    for (int k = 0; k < c; ++k)
      for (int y = 0; y < high; ++y)
        for (int x = 0; x < w; ++x)
          s.bytes[static_cast<std::size_t>(k * v.channel + y * v.row + x * v.pixel)] = value(index, k, y, x);
    v.bytes = s.bytes.data();
    *label = static_cast<std::int32_t>(index) + 7;
    return part_of(v, choose(high, w));
  }
};
static_assert(fc::data::image_source<marked>);
static_assert(fc::data::labelled_dataset<transformed<marked>>);
static_assert(fc::data::regression_dataset<transformed<as_images<fc::data::regression_view>>>);

template <class D>
std::vector<float> sample(const D& d, std::size_t index, int epoch = 0) {
  std::vector<float> v(static_cast<std::size_t>(d.extents().elements()) + 2, NAN);
  std::int32_t label = -1;
  d.read(index, epoch, v.data() + 1, &label);
  CHECK(std::isnan(v.front()));
  CHECK(std::isnan(v.back()));
  CHECK(label == static_cast<std::int32_t>(index) + 7);
  return {v.begin() + 1, v.end() - 1};
}

TEST_CASE("values are scale * (byte - mean) of the centre in testing") {
  for (const bool interleaved : {true, false})
    for (const int c : {1, 2, 3, 4}) {
      std::vector<float> means;
      for (int k = 0; k < c; ++k) means.push_back(static_cast<float>(10 + k));
      const transformed d(
          marked{.c = c, .interleaved = interleaved},
          {.crop_height = 3, .crop_width = 2, .training = false, .mirror = true, .scale = 0.5f, .mean_values = means});
      REQUIRE(d.extents() == fc::shape{c, 3, 2});
      REQUIRE(d.size() == 5);
      for (std::size_t i = 0; i < 5; ++i) {
        const auto v = sample(d, i, 3);
        std::size_t at = 0;
        for (int k = 0; k < c; ++k)
          for (int y = 0; y < 3; ++y)
            for (int x = 0; x < 2; ++x)
              CHECK(v[at++] == 0.5f * (marked::value(i, k, 1 + y, 1 + x) - static_cast<float>(10 + k)));
      }
    }
}

TEST_CASE("in training all crops that fit, mirrored or not, are as likely, and a mean image goes with the crop") {
  fc::data::mean_image mean{{3, 6, 5}, std::vector<float>(90)};
  for (std::size_t i = 0; i < 90; ++i) mean.values[i] = static_cast<float>(i * i % 31) / 8;
  const transformed d(marked{},
                      {.crop_height = 4, .crop_width = 4, .mirror = true, .scale = 2, .mean = mean, .seed = 9});
  int seen[3][2][2] = {};
  const int epochs = 2400;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const std::size_t index = static_cast<std::size_t>(epoch % 5);
    const auto v = sample(d, index, epoch);
    int found = 0;
    for (int top = 0; top < 3; ++top)
      for (int left = 0; left < 2; ++left)
        for (int mirror = 0; mirror < 2; ++mirror) {
          bool same = true;
          std::size_t at = 0;
          for (int k = 0; k < 3; ++k)
            for (int y = 0; y < 4; ++y)
              for (int x = 0; x < 4; ++x, ++at) {
                const int column = left + (mirror ? 3 - x : x);
                const auto m = static_cast<std::size_t>((k * 6 + top + y) * 5 + column);
                same = same && v[at] == 2 * (marked::value(index, k, top + y, column) - mean.values[m]);
              }
          found += same;
          seen[top][left][mirror] += same;
        }
    CHECK(found == 1);
  }
  double chi = 0;
  for (const auto& a : seen)
    for (const auto& b : a)
      for (const int n : b) chi += (n - epochs / 12.0) * (n - epochs / 12.0) / (epochs / 12.0);
  CHECK(chi < 31.3);  // 11 degrees of freedom, p = 0.001; the seed is fixed
}

TEST_CASE("what is random depends on seed, epoch and index alone") {
  const transform_options o{.crop_height = 2, .crop_width = 2, .mirror = true, .seed = 3};
  transform_options other = o;
  other.seed = 4;
  const marked source{.count = 40};
  const transformed a(source, o), b(source, o), c(source, other);
  int epochs_differ = 0, seeds_differ = 0;
  for (std::size_t i = 40; i-- > 0;) {
    CHECK(sample(a, i, 2) == sample(b, i, 2));
    epochs_differ += sample(a, i, 2) != sample(a, i, 3);
    seeds_differ += sample(a, i, 2) != sample(c, i, 2);
  }
  CHECK(epochs_differ > 25);
  CHECK(seeds_differ > 25);
  std::vector<float> without(12);
  std::int32_t label = 0;
  a.read(5, without.data(), &label);
  CHECK(without == sample(a, 5, 0));
}

TEST_CASE("batches are the same whatever the threads, and carry the epoch") {
  const marked source{.count = 23};
  const transformed d(source, {.crop_height = 3, .crop_width = 3, .mirror = true, .seed = 1});
  const fc::data::any_dataset any(transformed(source, {.crop_height = 3, .crop_width = 3, .mirror = true, .seed = 1}));
  REQUIRE(any.size() == 23);
  REQUIRE(any.extents() == fc::shape{3, 3, 3});
  const fc::data::sampler order(23, {.batch = 6, .seed = 2});
  for (const int threads : {0, 1, 2, 3}) {
    fc::data::prefetcher p(d, order, 0, 1, {.threads = threads});
    fc::data::prefetcher q(any, order, 0, 1, {.threads = 2});
    for (int k = 0; k < 12; ++k) {
      const auto& batch = p.next();
      CHECK(batch.values == q.next().values);
      for (int i = 0; i < batch.samples; ++i) {
        const auto expected = sample(d, order.index(batch.epoch, batch.step, i), batch.epoch);
        const std::vector<float> found(batch.values.begin() + i * 27, batch.values.begin() + (i + 1) * 27);
        CHECK(found == expected);
      }
    }
  }
}

TEST_CASE("any data set of images can be transformed, regression too") {
  std::vector<float> values(2 * 12), targets{5, 6, 7, 8};
  for (std::size_t i = 0; i < 24; ++i) values[i] = static_cast<float>(i) / 4;
  const fc::data::regression_view view(values, {1, 3, 4}, targets, {.channels = 2});
  const transformed d(as_images{view}, {.crop_height = 1, .crop_width = 2, .training = false, .scale = 4});
  REQUIRE(d.target_extents() == fc::shape{.channels = 2});
  float v[2], t[2];
  d.read(1, v, t);
  CHECK(v[0] == 12 + 5);
  CHECK(v[1] == 12 + 6);
  CHECK(t[0] == 7);
  CHECK(t[1] == 8);
  CHECK_THROWS_AS(as_images(fc::data::synthetic({.extents = {.depth = 2}})), fc::usage_error);
}

TEST_CASE("without a crop images must be as large as the first; options that cannot be used are refused") {
  std::vector<float> v(1000);
  std::int32_t label = 0;
  const transformed whole(marked{});
  CHECK(whole.extents() == fc::shape{3, 6, 5});
  CHECK(sample(whole, 2)[31] == marked::value(2, 1, 0, 1));
  const transformed ragged(marked{.ragged = true});
  ragged.read(0, v.data(), &label);
  CHECK_THROWS_WITH_AS(ragged.read(2, v.data(), &label), "data::transformed: image 2 is 8 x 5, the first is 6 x 5",
                       fc::usage_error);
  const transformed high(marked{.ragged = true}, {.crop_height = 8, .crop_width = 5});
  high.read(2, v.data(), &label);
  CHECK_THROWS_WITH_AS(high.read(1, v.data(), &label), "data::transformed: image 1 is 7 x 5, the crop is 8 x 5",
                       fc::usage_error);
  const fc::data::mean_image mean{{3, 6, 5}, std::vector<float>(90)}, two{{2, 6, 5}, std::vector<float>(60)};
  const transformed with_mean(marked{.ragged = true}, {.crop_height = 2, .crop_width = 2, .mean = mean});
  with_mean.read(0, v.data(), &label);
  CHECK_THROWS_WITH_AS(with_mean.read(1, v.data(), &label),
                       "data::transformed: image 1 is 7 x 5, the mean image is 6 x 5", fc::usage_error);
  const auto refuse = [](transform_options o, marked source = {}) {
    CHECK_THROWS_AS(transformed(source, std::move(o)), fc::usage_error);
  };
  refuse({.crop_height = 2});
  refuse({.crop_height = -1, .crop_width = -1});
  refuse({.mean_values = {1, 2}});
  refuse({.mean_values = {1}, .mean = mean});
  refuse({.mean = two});
  refuse({.mean = {{3, 6, 5}, {1}}});
  refuse({}, {.count = 0});
}
