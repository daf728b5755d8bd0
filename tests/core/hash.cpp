#include "firecaffe/core/hash.hpp"

#include <doctest/doctest.h>

using firecaffe::hash_of;

TEST_CASE("FNV-1a's published values, in one piece or more") {
  static_assert(hash_of("") == 0xcbf29ce484222325);
  static_assert(hash_of("a") == 0xaf63dc4c8601ec8c);
  CHECK(hash_of("foobar") == 0x85944171f73967e8);
  CHECK(hash_of("bar", hash_of("foo")) == hash_of("foobar"));
  CHECK(hash_of("\xff") == 0xaf64724c8602eb6e);
}
