#include "firecaffe/data/cifar.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "firecaffe/data/transform.hpp"
#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::cifar;
using fc::data::cifar_labels;

static_assert(fc::data::labelled_dataset<cifar> && fc::data::image_source<cifar>);

namespace {

bytes records(std::size_t n, bool hundred, unsigned seed) {
  std::mt19937 random(seed);
  bytes out;
  for (std::size_t i = 0; i < n; ++i) {
    if (hundred) out.push_back(static_cast<std::uint8_t>(random() % 20));
    out.push_back(static_cast<std::uint8_t>(random() % (hundred ? 100 : 10)));
    for (int k = 0; k < 3072; ++k) out.push_back(static_cast<std::uint8_t>(random()));
  }
  return out;
}

refusal refused(const std::vector<std::string>& paths, const fc::data::cifar_options& o = {}) {
  return refusal_of([&] { cifar(paths, o); });
}

}  // namespace

TEST_CASE("files make one set; plain or gzip; labels coarse or fine; rgb or bgr") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  temporary_directory here;
  for (const bool hundred : {false, true}) {
    const bytes a = records(3, hundred, seed), b = records(300, hundred, seed + 1);  // 300: more than is read at once
    bytes all = a;
    all.insert(all.end(), b.begin(), b.end());
    const std::vector<std::string> files{here.write("a", a), here.write("b.gz", gzip(b))};
    for (const cifar_labels labels : {cifar_labels::ten, cifar_labels::coarse, cifar_labels::fine}) {
      if ((labels == cifar_labels::ten) == hundred) continue;
      const cifar d(files, {.labels = labels, .scale = 0.5f, .mean = 3});
      const cifar bgr(files, {.labels = labels, .order = fc::data::channel_order::bgr});
      REQUIRE(d.size() == 303);
      REQUIRE(d.extents() == fc::shape{3, 32, 32});
      CHECK(d.classes() == (labels == cifar_labels::ten ? 10 : labels == cifar_labels::coarse ? 20 : 100));
      for (const std::size_t i : {0u, 2u, 3u, 4u, 302u}) {
        const std::uint8_t* record = all.data() + i * (hundred ? 3074 : 3073);
        std::vector<float> v(3074, NAN), w(3072);
        std::int32_t label = -1;
        bgr.read(i, w.data(), &label);
        d.read(i, v.data() + 1, &label);
        CHECK(label == record[labels == cifar_labels::fine]);
        CHECK(std::isnan(v[0]));
        CHECK(std::isnan(v[3073]));
        int wrong = 0;
        for (std::size_t k = 0; k < 3072; ++k) {
          const std::uint8_t byte = record[(hundred ? 2 : 1) + k];
          wrong += v[1 + k] != 0.5f * (byte - 3.0f);
          wrong += w[(2 - k / 1024) * 1024 + k % 1024] != byte;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("it can be cropped") {
  temporary_directory here;
  const bytes a = records(2, false, 5);
  const fc::data::transformed d(cifar({here.write("a", a)}), {.crop_height = 28, .crop_width = 28, .training = false});
  std::vector<float> v(3 * 28 * 28);
  std::int32_t label = -1;
  d.read(1, v.data(), &label);
  CHECK(v[28 * 28 + 3 * 28 + 4] == a[3073 + 1 + 1024 + 5 * 32 + 6]);
}

TEST_CASE("the published names") {
  CHECK(fc::data::cifar_files("d", true, cifar_labels::ten) ==
        std::vector<std::string>{"d/data_batch_1.bin", "d/data_batch_2.bin", "d/data_batch_3.bin", "d/data_batch_4.bin",
                                 "d/data_batch_5.bin"});
  CHECK(fc::data::cifar_files("d", false, cifar_labels::ten) == std::vector<std::string>{"d/test_batch.bin"});
  CHECK(fc::data::cifar_files("d", true, cifar_labels::fine) == std::vector<std::string>{"d/train.bin"});
  CHECK(fc::data::cifar_files("d", false, cifar_labels::coarse) == std::vector<std::string>{"d/test.bin"});
}

TEST_CASE("what is cut off, too long, mislabelled or missing is refused") {
  temporary_directory here;
  const bytes good = records(2, false, 6);
  const std::string path = here.write("good", good);
  for (const std::size_t length : {1u, 3072u, 3074u, 6145u}) {
    const bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    for (const bool packed : {false, true}) {
      const refusal r = refused({path, here.write("cut", packed ? gzip(cut) : cut)});
      CHECK(r.path == here.path() + "/cut");
      CHECK(r.offset == length);
      CHECK(r.says("truncated"));
    }
  }
  CHECK(refused({here.write("empty", {})}).says("empty"));
  CHECK(refused({here.path() + "/nothing"}).says("no such file"));
  CHECK(refused({here.path()}).says("regular file"));
  bytes bad = good;
  bad[3073] = 10;
  const refusal label = refused({here.write("bad", bad)});
  CHECK(label.offset == 3073);
  CHECK(label.says("label 10, expected below 10"));
  bytes hundred = records(2, true, 7);
  hundred[3074] = 20;
  CHECK(refused({here.write("h", hundred)}, {.labels = cifar_labels::coarse}).offset == 3074);
  hundred[3074] = 19;
  hundred[3075] = 100;
  CHECK(refused({here.write("h", hundred)}, {.labels = cifar_labels::coarse}).offset == 3075);
  bytes packed = gzip(good);
  packed.resize(packed.size() - 5);
  CHECK(refused({here.write("g", packed)}).says("gzip stream is truncated"));
  CHECK_THROWS_AS(cifar(std::vector<std::string>{}), fc::usage_error);
  std::vector<float> v(3072);
  std::int32_t l = 0;
  CHECK_THROWS_AS(cifar({path}).read(2, v.data(), &l), fc::usage_error);
}
