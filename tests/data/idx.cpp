#include "firecaffe/data/idx.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "firecaffe/data/dataset.hpp"
#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::idx;

static_assert(fc::data::labelled_dataset<idx>);

// The error that reading these files gives; empty where there is none.
refusal refused(const std::string& images, const std::string& labels, const fc::data::idx_options& o = {}) {
  return refusal_of([&] { idx(images, labels, o); });
}

bytes noise(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  bytes out(n);
  for (auto& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

TEST_CASE("images and labels, plain or gzip, come as scale * (byte - mean)") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  temporary_directory here;
  const bytes pixels = noise(5 * 12, seed), labels{3, 0, 2, 1, 3};
  const bytes images_file = idx_file({5, 3, 4}, pixels), labels_file = idx_file({5}, labels);
  const std::string plain_images = here.write("images", images_file), plain_labels = here.write("labels", labels_file);
  const std::string images_gz = here.write("packed", gzip(images_file));  // found by content, not by name
  here.write("l.gz", gzip(labels_file));
  for (const idx& d : {idx(plain_images, plain_labels), idx(images_gz, here.path() + "/l", {.classes = 4}),
                       idx(images_gz, plain_labels, {.scale = 0.5f, .mean = 33})}) {
    REQUIRE(d.size() == 5);
    CHECK(d.extents() == fc::shape{.channels = 1, .height = 3, .width = 4});
    for (std::size_t i = 0; i < 5; ++i) {
      std::vector<float> v(14, NAN);
      std::int32_t label = -1;
      d.read(i, v.data() + 1, &label);
      CHECK(label == labels[i]);
      CHECK(std::isnan(v[0]));
      CHECK(std::isnan(v[13]));
    }
  }
  const idx as_caffe(plain_images, plain_labels), shifted(images_gz, plain_labels, {.scale = 0.5f, .mean = 33});
  for (std::size_t i = 0; i < 5; ++i) {
    float v[12], w[12];
    std::int32_t label = -1;
    as_caffe.read(i, v, &label);
    shifted.read(i, w, &label);
    for (std::size_t j = 0; j < 12; ++j) {
      CHECK(v[j] == pixels[i * 12 + j] * 0.00390625f);
      CHECK(w[j] == 0.5f * (pixels[i * 12 + j] - 33.0f));
    }
  }
  float v[12];
  std::int32_t label = -1;
  CHECK_THROWS_AS(as_caffe.read(5, v, &label), fc::usage_error);
  CHECK_THROWS_AS(idx(plain_images, plain_labels, {.classes = -1}), fc::usage_error);
}

TEST_CASE("four dimensions are images with channels") {
  temporary_directory here;
  const bytes pixels = noise(2 * 3 * 4 * 5, 1);
  const idx d(here.write("i", idx_file({2, 3, 4, 5}, pixels)), here.write("l", idx_file({2}, {7, 255})));
  CHECK(d.extents() == fc::shape{.channels = 3, .height = 4, .width = 5});
  std::vector<float> v(60);
  std::int32_t label = 0;
  d.read(1, v.data(), &label);
  CHECK(label == 255);
  CHECK(v[59] == pixels[119] / 256.0f);
}

TEST_CASE("a file cut at any byte is refused, plain and gzip, with the place") {
  temporary_directory here;
  const bytes whole = idx_file({3, 2, 2}, noise(12, 5)), labels = idx_file({3}, {0, 1, 2});
  const std::string good_labels = here.write("labels", labels), good_images = here.write("images", whole);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    const bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    for (const bool packed : {false, true}) {
      const std::string path = here.write("cut", packed ? gzip(cut) : cut);
      const refusal r = refused(path, good_labels);
      CHECK(r.path == path);
      CHECK(r.says("truncated"));
      if (n < 16 || packed) CHECK((r.offset == n || r.offset < 16));
    }
  }
  for (std::size_t n = 0; n < labels.size(); ++n) {
    CAPTURE(n);
    const std::string path = here.write("cut", bytes(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(n)));
    CHECK(refused(good_images, path).path == path);
  }
  CHECK(refused(good_images, good_labels).what.empty());
}

TEST_CASE("gzip files damaged in any one byte, or cut, are refused or mean the same") {
  temporary_directory here;
  const bytes images = idx_file({3, 2, 2}, noise(12, 5)), packed = gzip(images);
  const std::string labels = here.write("labels", idx_file({3}, {0, 1, 2}));
  for (std::size_t n = 0; n < packed.size(); ++n) {
    CAPTURE(n);
    CHECK(!refused(here.write("i", bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(n))), labels)
               .what.empty());
    bytes damaged = packed;
    damaged[n] ^= 0x55;
    const refusal r = refused(here.write("i", damaged), labels);
    const bool only_a_note = n >= 3 && n < 10;  // flags, time and system in the gzip header change no content
    CHECK((only_a_note || !r.what.empty()));
  }
}

TEST_CASE("other files are refused with what was found") {
  temporary_directory here;
  const std::string images = here.write("images", idx_file({2, 2, 2}, bytes(8)));
  const std::string labels = here.write("labels", idx_file({2}, {0, 1}));

  const refusal html = refused(here.write("html", {'<', '!', 'd', 'o', 'c'}), labels);
  CHECK(html.offset == 0);
  CHECK(html.says("found 3c 21 64 6f"));
  bytes floats = idx_file({2, 2, 2}, bytes(8));
  floats[2] = 0x0D;
  CHECK(refused(here.write("floats", floats), labels).says("found 00 00 0d 03"));
  const refusal exchanged = refused(labels, images);
  CHECK(exchanged.path == labels);
  CHECK(exchanged.offset == 3);
  CHECK(exchanged.says("expected 3 to 4 dimensions (images), found 1"));
  CHECK(refused(images, images).says("expected 1 dimension (labels), found 3"));
  CHECK(refused(here.write("empty", {}), labels).offset == 0);

  const refusal missing = refused(here.path() + "/none", labels);
  CHECK(missing.path == here.path() + "/none");
  CHECK(missing.says("no such file"));
  CHECK(refused(images, here.path() + "/none").path == here.path() + "/none");
  CHECK(!refused(here.path(), labels).what.empty());
}

TEST_CASE("sizes that the file does not have are refused before memory is taken for them") {
  temporary_directory here;
  const std::string labels = here.write("labels", idx_file({2}, {0, 1}));
  const std::uint32_t huge = 0xFFFFFFFF;
  for (const auto& extents : std::vector<std::vector<std::uint32_t>>{{huge, 1, 1},
                                                                     {1, huge, huge},
                                                                     {huge, huge, huge},
                                                                     {huge, huge, huge, huge},
                                                                     {65536, 65536, 65536},
                                                                     {1u << 31, 1u << 31, 4},
                                                                     {3, 2, 2},
                                                                     {2, 3, 2}})
    for (const bool packed : {false, true}) {
      CAPTURE(extents.size());
      const bytes file = idx_file(extents, bytes(8));
      const refusal r = refused(here.write("images", packed ? gzip(file) : file), labels);
      CHECK(r.says("truncated"));
      CHECK(r.says(packed ? "after decompression" : "bytes"));
    }
  for (const bool packed : {false, true}) {
    const bytes file = idx_file({2, 2, 2}, bytes(9));
    const refusal r = refused(here.write("images", packed ? gzip(file) : file), labels);
    CHECK(r.says("trailing bytes"));
    CHECK(r.offset == 24);
  }
  for (const auto& extents : std::vector<std::vector<std::uint32_t>>{{0, 2, 2}, {2, 0, 2}, {2, 2, 0}})
    CHECK(refused(here.write("images", idx_file(extents, {})), labels).says("an extent of 0"));
}

TEST_CASE("images and labels belong together, labels to the classes") {
  temporary_directory here;
  const std::string images = here.write("images", idx_file({3, 2, 2}, bytes(12)));
  const std::string two = here.write("two", idx_file({2}, {0, 1}));
  const refusal counts = refused(images, two);
  CHECK(counts.path == two);
  CHECK(counts.offset == 4);
  CHECK(counts.says("2 labels, but 3 images in " + images));
  const std::string three = here.write("three", idx_file({3}, {0, 9, 10}));
  CHECK(refused(images, three).what.empty());
  CHECK(refused(images, three, {.classes = 11}).what.empty());
  const refusal label = refused(images, three, {.classes = 10});
  CHECK(label.path == three);
  CHECK(label.offset == 10);
  CHECK(label.says("label 10, expected below 10"));
}

TEST_CASE("Fashion-MNIST as Debian's dataset-fashion-mnist installs it") {
  const std::string folder = "/usr/share/datasets/fashion-mnist/";
  if (::access((folder + "train-images-idx3-ubyte.gz").c_str(), R_OK) != 0) {
    MESSAGE("skipped: " << folder << " is not installed");
    return;
  }
  struct {
    const char* name;
    std::size_t size;
    int first_labels[5];
    double first_sum, sum;  // of pixels, as bytes
  } const parts[] = {{"train", 60000, {9, 0, 0, 3, 0}, 76247, 3431114169.0},
                     {"t10k", 10000, {9, 2, 1, 1, 6}, 33456, 573469082.0}};
  for (const auto& part : parts) {
    CAPTURE(part.name);
    // Named without .gz.
    const idx d(folder + part.name + "-images-idx3-ubyte", folder + part.name + "-labels-idx1-ubyte", {.classes = 10});
    REQUIRE(d.size() == part.size);
    CHECK(d.extents() == fc::shape{.channels = 1, .height = 28, .width = 28});
    std::vector<float> v(784);
    std::vector<int> labels(10);
    double sum = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      std::int32_t label = -1;
      d.read(i, v.data(), &label);
      if (i < 5) CHECK(label == part.first_labels[i]);
      ++labels[static_cast<std::size_t>(label)];
      sum += std::accumulate(v.begin(), v.end(), 0.0);
      if (i == 0) CHECK(sum * 256 == part.first_sum);
    }
    CHECK(sum * 256 == part.sum);
    for (const int count : labels) CHECK(count == static_cast<int>(part.size / 10));
  }
}
