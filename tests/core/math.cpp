#include "firecaffe/core/math.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace firecaffe;

TEST_CASE("exponential is that of the C library to 3e-7, finite, and keeps NaN") {
  double worst = 0;
  for (float x = -86.9f; x < 87.9f; x += 0.00037f) {
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(exponential(x)) - exact) / exact);
  }
  CHECK(worst < 3e-7);
  CHECK(exponential(0.0f) == 1.0f);
  CHECK(exponential(1e9f) < std::numeric_limits<float>::infinity());
  CHECK(exponential(-1e9f) < 2e-38f);
  CHECK(exponential(-1e9f) >= 0.0f);
  CHECK(std::isnan(exponential(std::numeric_limits<float>::quiet_NaN())));
}
