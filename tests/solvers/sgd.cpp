#include "firecaffe/solvers/sgd.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace firecaffe;

// Caffe's SGDSolver, written down independently: history = momentum * history + rate * (diff + decay * data).
TEST_CASE("sgd follows Caffe's formulas for ten steps") {
  const unsigned seed = std::random_device{}() % 100000;
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::normal_distribution<double> normal;
  constexpr std::size_t n = 37;
  const sgd solver{.momentum = 0.9f, .weight_decay = 5e-4f};
  std::vector<double> w(n), v(n), g(n), expected(n), history(n);
  for (std::size_t i = 0; i < n; ++i) expected[i] = w[i] = normal(random);
  double* state[] = {v.data()};
  for (int step = 0; step < 10; ++step) {
    const double rate = 0.1 / (1 + step);
    for (double& x : g) x = normal(random);
    const auto rule = solver.update(w.data(), static_cast<const double*>(g.data()), state, rate);
    for (std::size_t i = 0; i < n; ++i) rule(i);
    for (std::size_t i = 0; i < n; ++i) {
      history[i] = double(0.9f) * history[i] + rate * (g[i] + double(5e-4f) * expected[i]);
      expected[i] -= history[i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(w[i] - expected[i]) <= 1e-12 * (1 + std::abs(expected[i])));
}
