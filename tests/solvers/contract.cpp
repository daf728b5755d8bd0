#include "firecaffe/solvers/contract.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <utility>

#include "firecaffe/solvers/lr/policies.hpp"

using namespace firecaffe;

static_assert(!std::is_default_constructible_v<lr::policy> && !std::is_constructible_v<lr::policy, std::nullptr_t>);
static_assert(!std::is_constructible_v<lr::policy, double>);

TEST_CASE("a policy holds any function of the iteration, and copies are its own") {
  const auto alive = std::make_shared<double>(0.5);
  {
    lr::policy a = [alive](std::int64_t i) { return *alive * static_cast<double>(i); };
    CHECK(alive.use_count() == 2);
    lr::policy b = a;
    CHECK(alive.use_count() == 3);
    CHECK(a(4) == 2);
    CHECK(b(6) == 3);
    a = lr::fixed{.base = 0.25f};
    CHECK(alive.use_count() == 2);
    CHECK(a(1'000'000) == 0.25);
    CHECK(b(8) == 4);
    b = std::move(a);
    CHECK(alive.use_count() == 1);
    CHECK(b(0) == 0.25);
  }
  CHECK(alive.use_count() == 1);
}
