#include "firecaffe/core/fields.hpp"

#include <doctest/doctest.h>

using namespace firecaffe;

namespace {
struct none {};
struct inner {
  int a, b;
};
struct one {
  inner only;
};
struct three {
  const char* name;
  inner middle;
  double last;
};
}  // namespace

static_assert(field_count<none> == 0 && field_count<one> == 1 && field_count<inner> == 2 && field_count<three> == 3);

TEST_CASE("members are reached by number, for reading and writing") {
  one a{{1, 2}};
  field<0>(a).b = 5;
  CHECK(a.only.b == 5);
  three b{"x", {3, 4}, 0.5};
  field<2>(b) *= 2;
  CHECK(b.last == 1.0);
  const three& c = b;
  CHECK(field<1>(c).a == 3);
  std::size_t sum = 0, visits = 0;
  for_each_field<three>([&](auto i) { sum += i, ++visits; });
  CHECK(sum == 3);
  CHECK(visits == 3);
  for_each_field<none>([&](auto) { FAIL("there is nothing to visit"); });
}
