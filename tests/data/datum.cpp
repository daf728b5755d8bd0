#include "firecaffe/data/datum.hpp"

#include <doctest/doctest.h>

#include <string>

#include "messages.hpp"
#include "refusal.hpp"

namespace fc = firecaffe;
using fc::data::datum;
using fc::data::parse_datum;

namespace {

refusal refused(const std::string& message) {
  std::vector<float> floats;
  const std::string copy = message;
  refusal r = refusal_of([&] { parse_datum(copy.data(), copy.size(), "db", floats); });
  if (!r.what.empty()) CHECK(r.path == "db");
  return r;
}

}  // namespace

TEST_CASE("raw bytes are seen where they lie") {
  const bytes data{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const std::string m = write_datum({2, 2, 3, data, -4});
  std::vector<float> floats{1, 2};
  const datum d = parse_datum(m.data(), m.size(), "db", floats);
  CHECK(d.label == -4);
  CHECK(!d.encoded);
  CHECK(d.view.channels == 2);
  CHECK(d.view.height == 2);
  CHECK(d.view.width == 3);
  CHECK(d.view.bytes == reinterpret_cast<const std::uint8_t*>(m.data()) + d.offset);
  CHECK(d.view.bytes[1 * d.view.channel + 1 * d.view.row + 2 * d.view.pixel] == 12);
}

TEST_CASE("floats come packed or one by one, and leave nothing behind") {
  std::vector<float> floats;
  for (const bool packed : {true, false}) {
    const std::string m = write_datum({1, 2, 2, {}, 3, {0.5f, -1, 2, 1e9f}, false, packed});
    const datum d = parse_datum(m.data(), m.size(), "db", floats);
    REQUIRE(d.view.floats != nullptr);
    CHECK(d.view.bytes == nullptr);
    CHECK(floats == std::vector<float>{0.5f, -1, 2, 1e9f});
  }
}

TEST_CASE("an encoded image needs no extents") {
  const std::string m = write_datum({0, 0, 0, {9, 8, 7}, 5, {}, true});
  std::vector<float> floats;
  const datum d = parse_datum(m.data(), m.size(), "db", floats);
  CHECK(d.encoded);
  CHECK(d.size == 3);
  CHECK(d.bytes[0] == 9);
  CHECK(m[d.offset] == 9);
}

TEST_CASE("what is cut off or does not fit together is refused") {
  const bytes data{1, 2, 3, 4, 5, 6};
  const std::string good = write_datum({1, 2, 3, data, 300});
  REQUIRE(refused(good).what.empty());
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    const refusal r = refused(good.substr(0, length));
    if (length == 14 || length == 17) continue;  // after the data and after the label a message may end
    CHECK(!r.what.empty());
    CHECK(r.offset <= length);
  }
  CHECK(refused(write_datum({1, 2, 2, data})).says("claims 1 x 2 x 2 elements, has 6"));
  CHECK(refused(write_datum({2, 2, 3, data})).says("claims 2 x 2 x 3 elements, has 6"));
  CHECK(refused(write_datum({2147483647, 2147483647, 2147483647, data})).says("has 6"));
  CHECK(refused(write_datum({0, 2, 3, data})).says("at least 1"));
  CHECK(refused(write_datum({-1, 2, 3, data})).says("negative"));
  CHECK(refused(write_datum({1, 2, 3, {}})).says("has 0"));
  CHECK(refused(write_datum({1, 2, 3, {}, 0, {1, 2, 3}})).says("has 3"));
  CHECK(refused(write_datum({1, 2, 3, {}, 0, {}, true})).says("without data"));
  CHECK(refused("").says("at least 1"));
  CHECK(refused(std::string("\x0a\x01\x01", 3)).says("another type"));  // channels as bytes
  CHECK(refused(std::string("\x20\x01", 2)).says("another type"));      // data as a number
  CHECK(refused(std::string("\x32\x03\0\0\0", 5)).says("malformed"));   // 3/4 of a float
  CHECK(refused(std::string("\x28\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10)).says("no int32"));
  CHECK(refused(std::string(20, '\xff')).says("malformed"));
}
