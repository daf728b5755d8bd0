#include "firecaffe/data/hdf5.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "firecaffe/data/transform.hpp"
#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::hdf5;
using fc::data::hdf5_regression;

static_assert(fc::data::labelled_dataset<hdf5> && fc::data::regression_dataset<hdf5_regression>);

namespace {

struct column {
  std::string name;
  std::vector<hsize_t> extents;
  std::vector<float> values{};
  hid_t type = H5T_NATIVE_FLOAT;
  bool compressed = false;
};

std::string write_file(temporary_directory& here, const std::string& name, const std::vector<column>& columns) {
  const std::string path = here.file(name);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(file >= 0);
  for (const column& c : columns) {
    const hid_t space = H5Screate_simple(static_cast<int>(c.extents.size()), c.extents.data(), nullptr);
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (c.compressed) {
      std::vector<hsize_t> chunk = c.extents;
      chunk[0] = std::min<hsize_t>(chunk[0], 3);
      H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
      H5Pset_deflate(properties, 6);
    }
    const hid_t set = H5Dcreate2(file, c.name.c_str(), c.type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    REQUIRE(set >= 0);
    if (!c.values.empty())
      REQUIRE(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, c.values.data()) >= 0);
    H5Dclose(set);
    H5Pclose(properties);
    H5Sclose(space);
  }
  H5Fclose(file);
  return path;
}

std::vector<float> ramp(std::size_t n, float from) {
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = from + static_cast<float>(i);
  return v;
}

template <class Data = hdf5>
refusal refused(const std::vector<std::string>& paths, const fc::data::hdf5_options& o = {}) {
  return refusal_of([&] { Data d(paths, o); });
}

}  // namespace

TEST_CASE("several files are one set, in memory or not, of any type, compressed or not") {
  temporary_directory here;
  const std::string a =
      write_file(here, "a", {{"data", {4, 2, 3, 5}, ramp(120, 0)}, {"label", {4}, {3, 1, 4, 1}, H5T_STD_I16BE}});
  const std::string b = write_file(
      here, "b",
      {{"data", {7, 2, 3, 5}, ramp(210, 120), H5T_IEEE_F64BE, true}, {"label", {7, 1}, {5, 9, 2, 6, 5, 3, 5}}});
  const int labels[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  for (const bool in_memory : {true, false}) {
    const hdf5 d({a, b}, {.in_memory = in_memory});
    REQUIRE(d.size() == 11);
    REQUIRE(d.extents() == fc::shape{2, 3, 5});
    for (const std::size_t i : {10u, 0u, 3u, 4u, 7u}) {
      std::vector<float> v(32, NAN);
      std::int32_t label = -1;
      d.read(i, v.data() + 1, &label);
      CHECK(label == labels[i]);
      CHECK(std::isnan(v[0]));
      CHECK(std::isnan(v[31]));
      for (std::size_t k = 0; k < 30; ++k) CHECK(v[1 + k] == static_cast<float>(i * 30 + k));
    }
    std::vector<float> v(30);
    std::int32_t label = -1;
    CHECK_THROWS_AS(d.read(11, v.data(), &label), fc::usage_error);
  }
}

TEST_CASE("float targets, other names, other ranks, transforms") {
  temporary_directory here;
  const std::string path = write_file(here, "a",
                                      {{"x", {3, 2, 4}, ramp(24, 1)},
                                       {"y", {3, 2}, {0.5f, 1, 1.5f, 2, 2.5f, 3}},
                                       {"flat", {3, 8}, ramp(24, 1)},
                                       {"deep", {3, 2, 2, 1, 2}, ramp(24, 1)},
                                       {"one", {3}, {7, 8, 9}}});
  const fc::data::transformed d(fc::data::as_images{hdf5_regression({path}, {.values = "x", .targets = "y"})},
                                {.training = false, .scale = 2});
  REQUIRE(d.extents() == fc::shape{1, 2, 4});
  REQUIRE(d.target_extents() == fc::shape{2});
  float v[8], t[2];
  d.read(1, v, t);
  CHECK(v[3] == 24);
  CHECK(t[0] == 1.5f);
  CHECK(t[1] == 2);
  CHECK(hdf5_regression({path}, {.values = "flat", .targets = "x"}).extents() == fc::shape{8});
  CHECK(hdf5_regression({path}, {.values = "flat", .targets = "x"}).target_extents() == fc::shape{1, 2, 4});
  CHECK(hdf5_regression({path}, {.values = "deep", .targets = "y"}).extents() == fc::shape{2, 1, 2, 2});
  CHECK(hdf5_regression({path}, {.values = "one", .targets = "y"}).extents() == fc::shape{});
}

TEST_CASE("threads take turns") {
  temporary_directory here;
  const std::string a =
      write_file(here, "a", {{"data", {50, 6}, ramp(300, 0), H5T_NATIVE_FLOAT, true}, {"label", {50}, ramp(50, 0)}});
  const hdf5 d({a}, {.in_memory = false});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t n = 0; n < 100; ++n) {
        const std::size_t i = (n * 7 + static_cast<std::size_t>(t) * 13) % 50;
        float v[6];
        std::int32_t label = -1;
        d.read(i, v, &label);
        wrong += label != static_cast<int>(i) || v[5] != static_cast<float>(i * 6 + 5);
        if (n % 20 == 0) wrong += hdf5({a}).size() != 50;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("what is missing, cut off or does not fit together is refused") {
  temporary_directory here;
  const column label{"label", {4}, {3, 1, 4, 1}};
  const column data{"data", {4, 6}, ramp(24, 0)};
  const std::string good = write_file(here, "good", {data, label});
  CHECK(refused({good}).what.empty());
  CHECK(refused({"/nonexistent"}).says("No such file"));
  CHECK(refused({here.path()}).says("is not a regular file"));
  CHECK(refused({here.write("text", {'n', 'o'})}).says("cannot be opened as an HDF5 file"));
  CHECK(refused({good}, {.values = "pixels"}).says("has no data set 'pixels'"));
  CHECK(refused({write_file(here, "a", {data, {"label", {5}, ramp(5, 0)}})}).says("5 targets for 4 samples"));
  CHECK(refused({write_file(here, "b", {data, {"label", {4, 2}, ramp(8, 0)}})}).says("one label for each sample"));
  CHECK(refused({good, write_file(here, "c", {{"data", {4, 5}, ramp(20, 0)}, label})}).says("other extents"));
  CHECK(refused({write_file(here, "d", {data, {"label", {4}, {0, 1, 1.5f, 2}}})}).says("label 2 is 1.5"));
  CHECK(refused({write_file(here, "e", {data, {"label", {4}, {0, NAN, 1, 2}}})}).says("label 1 is nan"));
  CHECK(refused({write_file(here, "f", {data, {"label", {4}, {0, 1, 1, 3e9f}}})}).says("label 3 is"));
  CHECK(refused({write_file(here, "g", {{"data", {4, 0}}, label})}).says("extent of 0"));
  // Nothing was written: a terabyte is claimed, no byte is there.
  CHECK(refused({write_file(here, "h", {{"data", {4, 1 << 20, 1 << 16}}, label})}).says("but 0 bytes are stored"));
  CHECK(refused({write_file(here, "i", {{"data", {4, 1, 1, 1, 1, 2}, ramp(8, 0)}, label})}).says("5 dimensions"));
  {
    const std::string path = here.file("j");
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t text = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
    H5Tset_size(text, 5);
    H5Dclose(H5Dcreate2(file, "data", text, scalar, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(file, "scalar", H5T_NATIVE_FLOAT, scalar, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(text);
    H5Sclose(scalar);
    H5Fclose(file);
    CHECK(refused({path}).says("neither integers nor floating-point"));
    CHECK(refused({path}, {.values = "scalar"}).says("has no extents"));
  }
  struct stat status {};
  REQUIRE(::stat(good.c_str(), &status) == 0);
  for (const off_t bytes_left : {status.st_size - 1, status.st_size / 2, off_t{100}, off_t{0}}) {
    REQUIRE(::truncate(good.c_str(), bytes_left) == 0);
    CHECK(refused({good}).says("cannot be opened as an HDF5 file"));
  }
  CHECK_THROWS_AS(hdf5(std::vector<std::string>{}), fc::usage_error);
}
