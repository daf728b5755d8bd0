#include "firecaffe/data/mean_file.hpp"

#include <doctest/doctest.h>

#include <string>

#include "messages.hpp"
#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;

namespace {

refusal refused(const std::string& message) {
  return refusal_of([&] { fc::data::parse_mean(message.data(), message.size(), "mean"); });
}

}  // namespace

TEST_CASE("extents in the old way or the new, values as floats or doubles") {
  std::vector<float> values(24);
  for (std::size_t i = 0; i < 24; ++i) values[i] = 100 + static_cast<float>(i) / 3;
  const std::vector<std::string> files{
      write_mean({1, 2, 3, 4}, values, true),        write_mean({1, 2, 3, 4}, values, true, false, false),
      write_mean({2, 3, 4}, values, false),          write_mean({1, 2, 3, 4}, values, false),
      write_mean({1, 2, 3, 4}, values, false, true), write_mean({1, 1, 2, 3, 4}, values, false)};
  temporary_directory here;
  for (const std::string& f : files) {
    const auto mean = fc::data::read_mean_file(here.write("mean.binaryproto", bytes(f.begin(), f.end())));
    CHECK(mean.extents == fc::shape{2, 3, 4});
    CHECK(mean.values == values);
  }
}

TEST_CASE("what is cut off or does not fit together is refused") {
  const std::vector<float> values(24, 1.5f);
  const std::string good = write_mean({1, 2, 3, 4}, values, true);
  const std::size_t diff = good.size() - 2 - 96;  // may be missing
  for (std::size_t length = 0; length < good.size(); ++length) {
    if (length == diff) continue;
    const refusal r = refused(good.substr(0, length));
    CAPTURE(length);
    CHECK(!r.what.empty());
    CHECK(r.offset <= length);
  }
  CHECK(refused(write_mean({1, 2, 3, 5}, values, true)).says("claims 2 x 3 x 5 values, has 24"));
  CHECK(refused(write_mean({1, 2, 3, 3}, values, true)).says("claims 2 x 3 x 3 values, has 24"));
  CHECK(refused(write_mean({2, 1, 3, 4}, values, true)).says("one image"));
  CHECK(refused(write_mean({6, 4}, values, false)).says("one image"));
  CHECK(refused(write_mean({-2, -3, 4}, values, false)).says("has 24"));
  CHECK(refused(write_mean({0, 3, 4}, values, false)).says("has 24"));
  CHECK(refused(write_mean({1LL << 40, 1LL << 40, 1LL << 40}, values, false)).says("has 24"));
  CHECK(refused(std::string("\x3a\x02\x0a\x05", 4)).says("malformed"));
  CHECK_THROWS_AS(fc::data::read_mean_file("/nonexistent"), fc::file_error);
}
