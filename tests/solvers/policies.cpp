#include "firecaffe/solvers/lr/policies.hpp"

#include <doctest/doctest.h>

using namespace firecaffe;

TEST_CASE("learning-rate policies have Caffe's values") {
  CHECK(lr::fixed{.base = 0.25f}(123456) == 0.25);
  const lr::step steps{.base = 0.5f, .gamma = 0.5f, .every = 10};
  CHECK(steps(0) == 0.5);
  CHECK(steps(9) == 0.5);
  CHECK(steps(10) == 0.25);
  CHECK(steps(39) == 0.0625);
  // The MNIST example of Caffe: 0.01 (1 + 0.0001 i)^-0.75 is 0.00594604 after its 10,000 iterations.
  const lr::inv inv{.base = 0.01f, .gamma = 1e-4f, .power = 0.75f};
  CHECK(inv(0) == doctest::Approx(0.01).epsilon(1e-6));
  CHECK(inv(10000) == doctest::Approx(0.00594604).epsilon(1e-5));
}
