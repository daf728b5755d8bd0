#include "firecaffe/solvers/large_batch.hpp"

#include <doctest/doctest.h>

#include "firecaffe/solvers/lamb.hpp"

using namespace firecaffe;
using doctest::Approx;

namespace {
const recipe<sgd> small{.batch = 32,
                        .solver = {.momentum = 0.9f, .weight_decay = 5e-4f},
                        .learning_rate = lr::step{.base = 0.5f, .gamma = 0.5f, .every = 80}};
}

TEST_CASE("linear scaling follows the small schedule by samples, behind a warmup from the small rate") {
  const recipe<sgd> large = large_batch::linear_scaling(small, 8, 1000);
  CHECK(large.batch == 256);
  CHECK(large.solver.momentum == 0.9f);
  CHECK(large.solver.weight_decay == 5e-4f);
  CHECK(large.learning_rate(0) == 0.5);  // four iterations: 1000 samples, rounded up
  CHECK(large.learning_rate(2) == 2.25);
  CHECK(large.learning_rate(4) == 4);
  CHECK(large.learning_rate(9) == 4);
  CHECK(large.learning_rate(10) == 2);  // after 80 small batches
  CHECK(large_batch::linear_scaling(small, 8, 0).learning_rate(0) == 4);
  const recipe<sgd> same = large_batch::linear_scaling(small, 1, 0);
  CHECK(same.batch == 32);
  for (const int i : {0, 79, 80, 1000}) CHECK(same.learning_rate(i) == small.learning_rate(i));
}

TEST_CASE("another solver keeps the course of the rate, and scales by the square root") {
  const recipe<lamb> there = large_batch::with_solver(small, lamb{.weight_decay = 0.1f}, 0.25f);
  CHECK(there.batch == 32);
  CHECK(there.solver.weight_decay == 0.1f);
  CHECK(there.learning_rate(0) == 0.25);
  CHECK(there.learning_rate(80) == 0.125);
  const recipe<lamb> large = large_batch::sqrt_scaling(there, 16, 1024);
  CHECK(large.batch == 512);
  CHECK(large.learning_rate(0) == 0.25);
  CHECK(large.learning_rate(1) == 0.625);
  CHECK(large.learning_rate(2) == 1);
  CHECK(large.learning_rate(5) == 0.5);
}

TEST_CASE("lars takes over momentum, decay and schedule") {
  const recipe<lars> large = large_batch::lars_scaling(small, 4, 2, 512, 0.01f);
  CHECK(large.batch == 128);
  CHECK(large.solver.momentum == 0.9f);
  CHECK(large.solver.weight_decay == 5e-4f);
  CHECK(large.solver.trust == 0.01f);
  CHECK(large.learning_rate(0) == 0);
  CHECK(large.learning_rate(3) == 1.5);
  CHECK(large.learning_rate(4) == 2);
  CHECK(large.learning_rate(20) == 1);
}

TEST_CASE("FireCaffe's published pairs") {
  const std::int64_t samples = 64 * 1'281'167;
  const auto slow = large_batch::firecaffe_googlenet(32, samples),
             fast = large_batch::firecaffe_googlenet(1024, samples);
  CHECK(slow.learning_rate(0) == Approx(0.01));
  CHECK(fast.learning_rate(0) == Approx(0.08));
  CHECK(fast.learning_rate(60054) == Approx(0.04));  // 3/4 of 80072 iterations: the root of 1/4
  CHECK(fast.learning_rate(80072) == 0);
  const auto nin = large_batch::firecaffe_nin(1024, 9216);
  CHECK(nin.learning_rate(3) == Approx(0.04));
  CHECK(nin.learning_rate(4) == Approx(0.004));
  CHECK(nin.learning_rate(8) == Approx(0.0004));
  CHECK(large_batch::firecaffe_nin(256, 9216).learning_rate(0) == Approx(0.01));
}

TEST_CASE("what makes no sense is refused") {
  CHECK_THROWS_AS(large_batch::linear_scaling(small, 0, 0), usage_error);
  CHECK_THROWS_AS(large_batch::linear_scaling(small, 2, -1), usage_error);
  CHECK_THROWS_AS(large_batch::linear_scaling(small, 1 << 27, 0), usage_error);
  CHECK_THROWS_AS(large_batch::firecaffe_googlenet(64, 1000), usage_error);
  CHECK_THROWS_AS(large_batch::firecaffe_nin(32, 1000), usage_error);
}
