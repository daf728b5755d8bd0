#include "firecaffe/data/lmdb_keys.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace firecaffe::data;

TEST_CASE("databases of numbered keys are recognised by their first and last") {
  CHECK(numbered_digits("00000000", "00059999", 60000) == 8);
  CHECK(numbered_digits("00000000_n01/a.JPEG", "01281166_n99/z.JPEG", 1281167) == 8);
  CHECK(numbered_digits("00000", "09999", 10000) == 5);
  CHECK(numbered_digits("0", "0", 1) == 1);
  CHECK(numbered_digits("00000000", "00059999", 60001) == 0);  // a gap
  CHECK(numbered_digits("00000001", "00060000", 60000) == 0);  // from 1 on
  CHECK(numbered_digits("0", "9", 11) == 0);                   // 10 would sort before 9
  CHECK(numbered_digits("000", "99", 100) == 0);               // digits differ
  CHECK(numbered_digits("000a", "0019", 20) == 0);
  CHECK(numbered_digits("a0", "a9", 10) == 0);
  CHECK(numbered_digits("", "", 1) == 0);
  CHECK(numbered_digits(std::string(20, '0'), std::string(20, '0'), 1) == 0);
}

TEST_CASE("a number is found in a key of the right digits only") {
  CHECK(has_number("00042", 5, 42));
  CHECK(has_number("00042_x", 5, 42));
  CHECK(!has_number("00042", 4, 4));
  CHECK(!has_number("000421", 5, 42));
  CHECK(!has_number("00043", 5, 42));
  CHECK(!has_number("99999", 5, 199999));
  CHECK(!has_number("", 1, 0));
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{1234567}, std::uint64_t{99999999}}) {
    char to[8];
    write_number(to, 8, n);
    CHECK(has_number(std::string(to, 8), 8, n));
  }
}

TEST_CASE("a table gives back its keys") {
  key_table t;
  const std::string keys[] = {"a", "", std::string("b\0c", 3), "ddd"};
  for (const std::string& k : keys) t.add(k);
  REQUIRE(t.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(t[i] == keys[i]);
}
