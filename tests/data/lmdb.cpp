#include "firecaffe/data/lmdb.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <utility>

#include "firecaffe/data/prefetch.hpp"
#include "firecaffe/data/transform.hpp"
#include "messages.hpp"
#include "pictures.hpp"
#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::channel_order;
using fc::data::image_view;
using fc::data::lmdb;

static_assert(fc::data::image_source<lmdb>);

namespace {

// A database as Caffe's tools write it, with liblmdb.
std::string write_database(temporary_directory& here, const std::vector<std::pair<std::string, std::string>>& records) {
  const std::string path = here.file("data.mdb");
  here.file("lock.mdb");
  ::unlink(path.c_str());
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  bool good = mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, 64 << 20) == 0 &&
              mdb_env_open(env, here.path().c_str(), 0, 0600) == 0 && mdb_txn_begin(env, nullptr, 0, &txn) == 0 &&
              mdb_dbi_open(txn, nullptr, 0, &dbi) == 0;
  for (const auto& [key, value] : records) {
    MDB_val k{key.size(), const_cast<char*>(key.data())}, v{value.size(), const_cast<char*>(value.data())};
    good = good && mdb_put(txn, dbi, &k, &v, 0) == 0;
  }
  good = good && mdb_txn_commit(txn) == 0;
  mdb_env_close(env);
  REQUIRE(good);
  return here.path();
}

std::string numbered(std::size_t i, const std::string& more = "") {
  char text[16];
  std::snprintf(text, sizeof text, "%08zu", i);
  return text + more;
}

std::string raw(std::uint8_t first, int label) {
  bytes data;
  for (int i = 0; i < 3 * 4 * 5; ++i) data.push_back(static_cast<std::uint8_t>(first + i));
  return write_datum({3, 4, 5, data, label});
}

image_view read(const lmdb& d, std::size_t i, lmdb::scratch& s, std::int32_t* label) {
  return d.image(i, 0, fc::data::whole_image{}, s, label);
}

}  // namespace

TEST_CASE("raw records come in the order of their keys, whether these are numbered or not, as bgr or rgb") {
  for (int kind = 0; kind < 3; ++kind) {
    temporary_directory here;
    std::vector<std::pair<std::string, std::string>> records;
    for (std::size_t i = 0; i < 300; ++i)
      records.emplace_back(kind == 0   ? numbered(i)
                           : kind == 1 ? numbered(i, "_n0" + std::to_string(i * 7 % 10) + "/x.jpg")
                                       : "n" + numbered(i * i),
                           raw(static_cast<std::uint8_t>(i), static_cast<int>(i * 3)));
    const std::string path = write_database(here, records);
    const lmdb rgb(path), as_stored(path + "/data.mdb", {.images = {.order = channel_order::bgr}}),
        stored_rgb(path, {.stored = channel_order::rgb});
    REQUIRE(rgb.size() == 300);
    CHECK(rgb.numbered() == (kind < 2));
    lmdb::scratch s, t, u;
    for (std::size_t n = 0; n < 600; ++n) {
      const std::size_t i = n * 37 % 300;
      std::int32_t label = -1;
      const image_view v = read(rgb, i, s, &label);
      CHECK(label == static_cast<int>(i * 3));
      const image_view a = read(as_stored, i, t, &label), b = read(stored_rgb, i, u, &label);
      REQUIRE(v.height == 4);
      REQUIRE(v.width == 5);
      const auto byte = [&](const image_view& w, int c) { return w.bytes[c * w.channel + 2 * w.row + 3 * w.pixel]; };
      for (int c = 0; c < 3; ++c) {
        CHECK(byte(v, c) == static_cast<std::uint8_t>(i + static_cast<unsigned>((2 - c) * 20 + 13)));
        CHECK(byte(a, c) == static_cast<std::uint8_t>(i + static_cast<unsigned>(c * 20 + 13)));
        CHECK(byte(b, c) == byte(a, c));
      }
    }
    std::int32_t label = 0;
    CHECK_THROWS_AS(read(rgb, 300, s, &label), fc::usage_error);
  }
}

TEST_CASE("encoded images and floats, through transforms and threads; the lock file is not needed") {
  temporary_directory here;
  std::vector<std::pair<std::string, std::string>> records;
  std::vector<picture> pictures;
  for (std::size_t i = 0; i < 20; ++i) {
    const picture p = random_picture(20 + static_cast<int>(i), 24, 3, i);
    const bytes file = i % 2 ? write_png(p) : write_jpeg(p);
    pictures.push_back(i % 2 ? p : read_jpeg(file, JCS_RGB));
    records.emplace_back(numbered(i), write_datum({0, 0, 0, file, static_cast<int>(i), {}, true}));
  }
  std::vector<float> floats(3 * 20 * 20);
  for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(i) / 8;
  records.emplace_back(numbered(20), write_datum({3, 20, 20, {}, 20, floats}));
  const std::string path = write_database(here, records);
  ::unlink((path + "/lock.mdb").c_str());
  const fc::data::transformed d(lmdb(path, {.stored = channel_order::rgb}),
                                {.crop_height = 16, .crop_width = 16, .training = false});
  const fc::data::sampler order(21, {.batch = 21, .shuffle = false});
  fc::data::prefetcher batches(d, order, 0, 1, {.threads = 3});
  for (int epoch = 0; epoch < 3; ++epoch) {
    const auto& b = batches.next();
    for (std::size_t i = 0; i < 21; ++i) {
      CHECK(b.labels[i] == static_cast<int>(i));
      int wrong = 0;
      for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 16; ++y)
          for (int x = 0; x < 16; ++x) {
            const float found = b.values[i * 768 + static_cast<std::size_t>(c * 256 + y * 16 + x)];
            if (i < 20)
              wrong += found != pictures[i].at(y + (4 + static_cast<int>(i)) / 2, x + 4, c);
            else
              wrong += found != floats[static_cast<std::size_t>(c * 400 + (y + 2) * 20 + x + 2)];
          }
      CHECK(wrong == 0);
    }
  }
  CHECK(::access((path + "/lock.mdb").c_str(), F_OK) != 0);
}

TEST_CASE("scratch outlives the database and serves another") {
  temporary_directory one, two;
  const std::string a = write_database(one, {{"0", raw(1, 5)}}), b = write_database(two, {{"0", raw(2, 6)}});
  lmdb::scratch s;
  std::int32_t label = 0;
  {
    const lmdb d(a);
    CHECK(read(d, 0, s, &label).bytes != nullptr);
    CHECK(label == 5);
  }
  lmdb d(b);
  read(d, 0, s, &label);
  CHECK(label == 6);
  const lmdb moved(std::move(d));
  read(moved, 0, s, &label);
  CHECK(label == 6);
}

TEST_CASE("what is missing, cut off or malformed is refused by its key") {
  temporary_directory here;
  const bytes jpeg = write_jpeg(random_picture(30, 30, 3, 1));
  const std::string cut = raw(1, 1).substr(0, 50);
  const std::string path =
      write_database(here, {{"0", raw(1, 1)},
                            {"1", cut},
                            {"2", write_datum({1, 2, 2, {1, 2, 3, 4}})},
                            {"3", write_datum({0, 0, 0, {1, 2, 3}, 0, {}, true})},
                            {"4", write_datum({0, 0, 0, bytes(jpeg.begin(), jpeg.end() - 30), 0, {}, true})}});
  {
    const lmdb d(path);
    lmdb::scratch s;
    std::int32_t label = 0;
    const auto r = [&](std::size_t i) { return refusal_of([&] { read(d, i, s, &label); }); };
    CHECK(r(0).what.empty());
    CHECK(r(1).says("data.mdb (key 1) (byte "));
    CHECK(r(2).says("(key 2) (byte 0): has 1 channels, expected 3"));
    CHECK(r(3).says("(key 3) (byte 0): neither a JPEG nor a PNG image"));
    CHECK(r(4).says("(key 4) (byte "));
    CHECK(r(0).what.empty());
  }
  {
    // Numbered by its first and last key, but not between.
    temporary_directory gaps;
    const lmdb d(write_database(gaps, {{"0", raw(1, 1)}, {"1a", raw(1, 1)}, {"1b", raw(1, 1)}, {"3", raw(1, 1)}}));
    CHECK(d.numbered());
    lmdb::scratch s;
    std::int32_t label = 0;
    CHECK(refusal_of([&] { read(d, 1, s, &label); }).what.empty());
    CHECK(refusal_of([&] { read(d, 2, s, &label); }).says("2 is missing"));
  }
  CHECK(refusal_of([] { lmdb("/nonexistent"); }).says("No such file"));
  CHECK_THROWS_AS(lmdb(path, {.images = {.channels = 4}}), fc::usage_error);
  struct stat status {};
  REQUIRE(::stat((path + "/data.mdb").c_str(), &status) == 0);
  REQUIRE(::truncate((path + "/data.mdb").c_str(), status.st_size - 1) == 0);
  CHECK(refusal_of([&] { lmdb d(path); }).says("truncated: claims"));
  REQUIRE(::truncate((path + "/data.mdb").c_str(), 100) == 0);
  CHECK(refusal_of([&] { lmdb d(path); }).says("cannot be opened as an LMDB database"));
  here.write("data.mdb", bytes(8192, 7));
  CHECK(refusal_of([&] { lmdb d(path); }).says("cannot be opened as an LMDB database"));
  temporary_directory empty;
  CHECK(refusal_of([&] { lmdb d(write_database(empty, {})); }).says("without entries"));
}
