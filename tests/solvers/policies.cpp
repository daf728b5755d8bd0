#include "firecaffe/solvers/lr/policies.hpp"

#include <doctest/doctest.h>

#include "firecaffe/solvers/contract.hpp"

using namespace firecaffe;
using doctest::Approx;

TEST_CASE("learning-rate policies have Caffe's values") {
  CHECK(lr::fixed{.base = 0.25f}(123456) == 0.25);
  const lr::step steps{.base = 0.5f, .gamma = 0.5f, .every = 10};
  CHECK(steps(0) == 0.5);
  CHECK(steps(9) == 0.5);
  CHECK(steps(10) == 0.25);
  CHECK(steps(39) == 0.0625);
  // The MNIST example of Caffe: 0.01 (1 + 0.0001 i)^-0.75 is 0.00594604 after its 10,000 iterations.
  const lr::inv inv{.base = 0.01f, .gamma = 1e-4f, .power = 0.75f};
  CHECK(inv(0) == Approx(0.01).epsilon(1e-6));
  CHECK(inv(10000) == Approx(0.00594604).epsilon(1e-5));

  const lr::policy multistep = lr::multistep{.base = 1, .gamma = 0.25f, .at = {10, 20, 20}};
  const double expected[] = {1, 1, 0.25, 0.25, 0.015625, 0.015625};
  const int at[] = {0, 9, 10, 19, 20, 1000};
  for (int i = 0; i < 6; ++i) CHECK(multistep(at[i]) == expected[i]);

  const lr::exp exp{.base = 0.5f, .gamma = 0.5f};
  CHECK(exp(0) == 0.5);
  CHECK(exp(3) == 0.0625);

  const lr::poly root{.base = 1, .power = 0.5f, .iterations = 100}, cubic{.base = 2, .power = 3, .iterations = 4};
  CHECK(root(0) == 1);
  CHECK(root(36) == Approx(0.8));
  CHECK(root(99) == Approx(0.1));
  CHECK(root(100) == 0);
  CHECK(root(101) == 0);
  CHECK(cubic(2) == 0.25);

  const lr::sigmoid sigmoid{.base = 1, .gamma = -0.5f, .middle = 10};
  CHECK(sigmoid(10) == 0.5);
  CHECK(sigmoid(8) == Approx(0.7310585786));  // 1 / (1 + e^-1)
  CHECK(sigmoid(12) == Approx(0.2689414214));
}

TEST_CASE("the cosine goes from the base to the last rate and stays") {
  const lr::cosine cosine{.base = 1, .last = 0.5f, .iterations = 6};
  CHECK(cosine(0) == 1);
  CHECK(cosine(2) == Approx(0.875));
  CHECK(cosine(3) == Approx(0.75));
  CHECK(cosine(6) == 0.5);
  CHECK(cosine(60) == 0.5);
}

TEST_CASE("warmup is a line to where the policy is by then") {
  const lr::policy warmup =
      lr::warmup<lr::step>{.then = {.base = 1, .gamma = 0.5f, .every = 12}, .from = 0.25f, .over = 6};
  CHECK(warmup(0) == 0.25);
  CHECK(warmup(2) == 0.5);
  CHECK(warmup(5) == 0.875);
  CHECK(warmup(6) == 1);
  CHECK(warmup(11) == 1);  // the policy's own count goes from the run's start
  CHECK(warmup(12) == 0.5);
  CHECK(lr::warmup<lr::fixed>{.then = {0.5f}, .from = 0, .over = 0}(0) == 0.5);
  // Towards a policy that falls: the line ends where it is at the end of the warmup.
  const lr::warmup<lr::poly> falling{.then = {.base = 1, .power = 1, .iterations = 8}, .from = 0, .over = 4};
  CHECK(falling(2) == 0.25);
  CHECK(falling(4) == 0.5);
}
