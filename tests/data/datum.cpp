#include "firecaffe/data/datum.hpp"

#include <doctest/doctest.h>

#include <string>

#include "messages.hpp"

namespace fc = firecaffe;
using fc::data::datum;
using fc::data::parse_datum;

namespace {

struct refusal {
  std::string what;
  std::uint64_t offset = ~std::uint64_t{0};
};
refusal refused(const std::string& message) {
  std::vector<float> floats;
  const std::string copy = message;
  try {
    parse_datum(copy.data(), copy.size(), "db", floats);
  } catch (const fc::file_error& e) {
    CHECK(e.path == "db");
    return {e.what(), e.offset};
  }
  return {};
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
  CHECK(refused(write_datum({1, 2, 2, data})).what.find("claims 1 x 2 x 2 elements, has 6") != std::string::npos);
  CHECK(refused(write_datum({2, 2, 3, data})).what.find("claims 2 x 2 x 3 elements, has 6") != std::string::npos);
  CHECK(refused(write_datum({2147483647, 2147483647, 2147483647, data})).what.find("has 6") != std::string::npos);
  CHECK(refused(write_datum({0, 2, 3, data})).what.find("at least 1") != std::string::npos);
  CHECK(refused(write_datum({-1, 2, 3, data})).what.find("negative") != std::string::npos);
  CHECK(refused(write_datum({1, 2, 3, {}})).what.find("has 0") != std::string::npos);
  CHECK(refused(write_datum({1, 2, 3, {}, 0, {1, 2, 3}})).what.find("has 3") != std::string::npos);
  CHECK(refused(write_datum({1, 2, 3, {}, 0, {}, true})).what.find("without data") != std::string::npos);
  CHECK(refused("").what.find("at least 1") != std::string::npos);
  CHECK(refused(std::string("\x0a\x01\x01", 3)).what.find("another type") != std::string::npos);  // channels as bytes
  CHECK(refused(std::string("\x20\x01", 2)).what.find("another type") != std::string::npos);      // data as a number
  CHECK(refused(std::string("\x32\x03\0\0\0", 5)).what.find("malformed") != std::string::npos);   // 3/4 of a float
  CHECK(refused(std::string("\x28\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10)).what.find("no int32") !=
        std::string::npos);
  CHECK(refused(std::string(20, '\xff')).what.find("malformed") != std::string::npos);
}
