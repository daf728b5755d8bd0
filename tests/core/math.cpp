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

TEST_CASE("log_of_one_plus is that of the C library to 3e-7") {
  double worst = 0;
  for (float x = 1e-30f; x <= 1.0f; x *= 1.0003f)
    worst = std::max(worst, std::abs(double(log_of_one_plus(x)) / std::log1p(double(x)) - 1));
  CHECK(worst < 3e-7);
  CHECK(log_of_one_plus(0.0f) == 0.0f);
  CHECK(log_of_one_plus(0.25) == std::log1p(0.25));
}

TEST_CASE("standard_normal is that of the C library to 3e-7") {
  double below = 0, density = 0;
  for (float x = -20; x < 20; x += 0.0037f) {
    const normal<float> n = standard_normal(x);
    const normal<double> exact = standard_normal(double(x));
    below = std::max(below, std::abs(double(n.below) - exact.below));
    density = std::max(density, std::abs(double(n.density) - exact.density));
  }
  CHECK(below < 3e-7);
  CHECK(density < 3e-7);
  CHECK(standard_normal(1.0).below == doctest::Approx(0.8413447460685429).epsilon(1e-14));
  CHECK(standard_normal(-8.0).below == doctest::Approx(6.220960574271785e-16).epsilon(1e-12));
  CHECK(standard_normal(0.0).density == doctest::Approx(0.3989422804014327).epsilon(1e-14));
}
