#include "firecaffe/data/resize.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "firecaffe/data/transform.hpp"

namespace fc = firecaffe;
using fc::data::box;
using fc::data::image_part;
using fc::data::image_view;
using fc::data::resize_mode;
using fc::data::resized;

namespace {

// The definition, in doubles: a triangle around the centre of each output pixel.
double oracle(const std::vector<std::uint8_t>& plane, int h, int w, const box& b, int high, int wide, int y, int x) {
  const double sy = b.height / high, sx = b.width / wide, ry = std::max(1.0, sy), rx = std::max(1.0, sx);
  const double cy = b.top + (y + 0.5) * sy, cx = b.left + (x + 0.5) * sx;
  double sum = 0, weights = 0;
  for (int i = 0; i < h; ++i)
    for (int j = 0; j < w; ++j) {
      const double weight =
          std::max(0.0, 1 - std::abs(i + 0.5 - cy) / ry) * std::max(0.0, 1 - std::abs(j + 0.5 - cx) / rx);
      sum += weight * plane[static_cast<std::size_t>(i * w + j)];
      weights += weight;
    }
  return sum / weights;
}

// Gray planes of noise, delivered as bytes or floats, planar or interleaved, all channels different; may be reduced by
// 2 when that is allowed, by averages of four pixels.
struct pictures {
  using target = std::int32_t;
  struct scratch {
    std::vector<float> floats;
  };
  int h, w;
  std::vector<std::vector<std::uint8_t>> planes;
  bool interleaved = false, reversed = false, reduces = false;
  mutable image_part asked{};

  pictures(int height, int width, std::uint_fast32_t seed, int c = 3) : h(height), w(width) {
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
    planes.resize(static_cast<std::size_t>(c));
    for (auto& p : planes) {
      p.resize(static_cast<std::size_t>(h * w));
      for (auto& b : p) b = static_cast<std::uint8_t>(random());
    }
  }
  std::size_t size() const { return 1000; }
  int channels() const { return static_cast<int>(planes.size()); }
  template <class Choose>
  image_view image(std::size_t, int, Choose&& choose, scratch& s, std::int32_t* label) const {
    *label = 1;
    const image_part part = asked = choose(h, w);
    const int by =
        reduces && part.least_height > 0 && part.height / 2 >= part.least_height && part.width / 2 >= part.least_width
            ? 2
            : 1;
    const int c = channels(), high = (h + by - 1) / by, wide = (w + by - 1) / by;
    image_view v = fc::data::planar_view(c, high, wide);
    if (interleaved) v.channel = 1, v.row = std::ptrdiff_t{wide} * c, v.pixel = c;
    s.floats.assign(static_cast<std::size_t>(c * high * wide), 0.0f);
    for (int k = 0; k < c; ++k)
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x)
          s.floats[static_cast<std::size_t>(k * v.channel + (y / by) * v.row + (x / by) * v.pixel)] +=
              static_cast<float>(planes[static_cast<std::size_t>(k)][static_cast<std::size_t>(y * w + x)]) /
              static_cast<float>(by * by);
    v.floats = s.floats.data();
    if (reversed) v = fc::data::reversed_channels(v);
    v = fc::data::part_of(v, {part.top / by, part.left / by, (part.top + part.height + by - 1) / by - part.top / by,
                              (part.left + part.width + by - 1) / by - part.left / by, 0, 0});
    v.top = double(part.top) / by - part.top / by;
    v.left = double(part.left) / by - part.left / by;
    v.zoom = 1.0 / by;
    return v;
  }
};
static_assert(fc::data::image_source<resized<pictures>>);

template <class Source>
std::vector<float> values(const resized<Source>& r, int height, int width, std::size_t index = 0, int epoch = 0) {
  typename resized<Source>::scratch s;
  std::int32_t label = 0;
  const image_view v = r.image(index, epoch, fc::data::whole_image{}, s, &label);
  REQUIRE(v.height == height);
  REQUIRE(v.width == width);
  std::vector<float> out(static_cast<std::size_t>(v.channels * height * width));
  const std::vector<float> zeros(static_cast<std::size_t>(v.channels));
  fc::data::convert(v, {.mean_values = zeros.data()}, out.data());
  return out;
}

}  // namespace

TEST_CASE("resampling is the triangle's weighted mean, for bytes and floats, planes and pixels, any box") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  fc::data::resample_scratch scratch;
  for (int trial = 0; trial < 200; ++trial) {
    const int h = 1 + below(30), w = 1 + below(30), c = 1 + below(4), high = 1 + below(20), wide = 1 + below(20);
    const bool interleaved = below(2) == 0, mirrored = below(3) == 0, reversed = below(2) == 0;
    const auto unit = [&] { return static_cast<double>(random()) / 4294967296.0; };
    box b;
    b.top = unit() * 0.9 * h;
    b.left = unit() * 0.9 * w;
    b.height = (h - b.top) * (0.1 + 0.9 * unit());
    b.width = (w - b.left) * (0.1 + 0.9 * unit());
    std::vector<std::uint8_t> stored(static_cast<std::size_t>(c * h * w));
    image_view v = fc::data::planar_view(c, h, w);
    if (interleaved) v.channel = 1, v.row = std::ptrdiff_t{w} * c, v.pixel = c;
    std::vector<std::vector<std::uint8_t>> planes(static_cast<std::size_t>(c));
    for (auto& s : stored) s = static_cast<std::uint8_t>(random());
    v.bytes = stored.data();
    if (reversed) v = fc::data::reversed_channels(v);
    if (mirrored) v = fc::data::moved(v, (w - 1) * v.pixel), v.pixel = -v.pixel;
    for (int k = 0; k < c; ++k)
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x)
          planes[static_cast<std::size_t>(k)].push_back(v.bytes[k * v.channel + y * v.row + x * v.pixel]);
    const image_view out = fc::data::resample(v, b, high, wide, scratch);
    double worst = 0;
    for (int k = 0; k < c; ++k)
      for (int y = 0; y < high; ++y)
        for (int x = 0; x < wide; ++x)
          worst = std::max(worst, std::abs(out.floats[(k * high + y) * wide + x] -
                                           oracle(planes[static_cast<std::size_t>(k)], h, w, b, high, wide, y, x)));
    CAPTURE(trial);
    CHECK(worst < 2e-3);
  }
}

TEST_CASE("an image of the right size stays as it is") {
  const pictures p(9, 11, 4);
  const auto v = values(resized(p, {.mode = resize_mode::stretch, .height = 9, .width = 11}), 9, 11);
  for (std::size_t i = 0; i < v.size(); ++i) CHECK(v[i] == p.planes[i / 99][i % 99]);
}

TEST_CASE("the centre is what a centre crop keeps after the shorter side was resized") {
  for (const auto& [h, w] : {std::pair{60, 80}, {80, 60}, {40, 40}, {37, 91}}) {
    const pictures p(h, w, 5, 1);
    const auto v = values(resized(p, {.mode = resize_mode::centre, .height = 20, .width = 24, .shorter = 30}), 20, 24);
    const double scale = std::min(h, w) / 30.0;
    const box b{(h - 20 * scale) / 2, (w - 24 * scale) / 2, 20 * scale, 24 * scale};
    double worst = 0;
    for (int y = 0; y < 20; ++y)
      for (int x = 0; x < 24; ++x)
        worst = std::max(
            worst, std::abs(v[static_cast<std::size_t>(y * 24 + x)] - oracle(p.planes[0], h, w, b, 20, 24, y, x)));
    CHECK(worst < 2e-3);
    CHECK(p.asked.height < h);  // no more than is needed
  }
}

TEST_CASE("random areas are in range and uniform, by seed, epoch and index") {
  const int h = 90, w = 120;
  const pictures p(h, w, 6, 1);
  // A ramp tells where a box was: resized bilinearly it stays one.
  pictures down(h, w, 0, 2);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      down.planes[0][static_cast<std::size_t>(y * w + x)] = static_cast<std::uint8_t>(y);
      down.planes[1][static_cast<std::size_t>(y * w + x)] = static_cast<std::uint8_t>(x);
    }
  const resized r(down, {.height = 8, .width = 8, .seed = 3});
  double areas = 0, aspects = 0, least = 1, most = 0;
  const int trials = 2000;
  for (int i = 0; i < trials; ++i) {
    const auto v = values(r, 8, 8, static_cast<std::size_t>(i % 50), i / 50);
    // Pixels 3 and 4 are far from the edges, where the ramp is cut off.
    const double high = 8.0 * (v[4 * 8] - v[3 * 8]), wide = 8.0 * (v[64 + 4] - v[64 + 3]);
    const double area = high * wide / (h * w), aspect = wide / high;
    CHECK(area > 0.07);
    CHECK(area < 1.01);
    CHECK(aspect > 0.75 * 0.94);
    CHECK(aspect < 4 / 3.0 * 1.06);
    areas += area;
    aspects += std::log(aspect);
    least = std::min(least, area);
    most = std::max(most, area);
    CHECK(values(r, 8, 8, static_cast<std::size_t>(i % 50), i / 50) == v);
  }
  CHECK(least < 0.1);
  CHECK(most > 0.9);
  CHECK(areas / trials > 0.40);  // of those that fit: not above 3/4 of the aspect
  CHECK(areas / trials < 0.47);
  CHECK(std::abs(aspects / trials) < 0.1);
  CHECK(values(r, 8, 8, 1, 0) != values(r, 8, 8, 1, 1));
  CHECK(values(r, 8, 8, 1, 0) != values(r, 8, 8, 2, 0));
  CHECK(values(r, 8, 8, 1, 0) != values(resized(down, {.height = 8, .width = 8, .seed = 4}), 8, 8, 1, 0));
  for (const auto& [tall, broad] : {std::pair{1, 400}, {400, 1}, {1, 1}, {3, 2}})
    for (std::size_t i = 0; i < 30; ++i) values(resized(pictures(tall, broad, 1), {.height = 5, .width = 4}), 5, 4, i);
}

TEST_CASE("a source that reduces gives nearly the same, and the same rectangle") {
  pictures smooth(120, 160, 0, 2);
  for (int y = 0; y < 120; ++y)
    for (int x = 0; x < 160; ++x) {
      smooth.planes[0][static_cast<std::size_t>(y * 160 + x)] = static_cast<std::uint8_t>(y);
      smooth.planes[1][static_cast<std::size_t>(y * 160 + x)] = static_cast<std::uint8_t>(x);
    }
  pictures reducing = smooth;
  reducing.reduces = true;
  for (const resize_mode mode : {resize_mode::stretch, resize_mode::centre, resize_mode::random_area})
    for (const bool interleaved : {false, true}) {
      smooth.interleaved = reducing.interleaved = interleaved;
      for (std::size_t i = 0; i < 20; ++i) {
        const fc::data::resize_options o{.mode = mode, .height = 12, .width = 12, .shorter = 14};
        const auto a = values(resized(smooth, o), 12, 12, i), b = values(resized(reducing, o), 12, 12, i);
        for (std::size_t j = 0; j < a.size(); ++j) {
          const int y = static_cast<int>(j / 12 % 12), x = static_cast<int>(j % 12);
          if (y > 0 && y < 11 && x > 0 && x < 11) CHECK(std::abs(a[j] - b[j]) < 0.15);  // at its edges a ramp ends
        }
      }
    }
}

TEST_CASE("resized images can be transformed, and options that cannot be used are refused") {
  const pictures p(40, 50, 8);
  const fc::data::transformed d(resized(p, {.height = 16, .width = 18}),
                                {.crop_height = 10, .crop_width = 12, .mirror = true});
  CHECK(d.extents() == fc::shape{3, 10, 12});
  std::vector<float> a(360), b(360);
  std::int32_t label = 0;
  d.read(4, 5, a.data(), &label);
  d.read(4, 6, b.data(), &label);
  CHECK(a != b);
  CHECK(label == 1);
  CHECK_THROWS_AS(resized(p, {.height = 0}), fc::usage_error);
  CHECK_THROWS_AS(resized(p, {.mode = resize_mode::centre, .height = 20, .width = 40, .shorter = 39}), fc::usage_error);
  CHECK_THROWS_AS(resized(p, {.least_area = 0}), fc::usage_error);
  CHECK_THROWS_AS(resized(p, {.most_area = 1.5}), fc::usage_error);
  CHECK_THROWS_AS(resized(p, {.least_aspect = 2, .most_aspect = 1}), fc::usage_error);
}
