#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "firecaffe/cpu/device.hpp"
#include "firecaffe/train/updater.hpp"
#include "reference_layers.hpp"

// One parameter as a solver's formulas see it, in double. Two arrays of state, zero at first.
struct oracle_parameter {
  double lr_mult, decay_mult;
  bool one_dimensional;
  std::vector<double> w, g, a, b;
  double rate = 0;  // of this step, lr_mult in it
  int t = 0;        // this step, from 1

  oracle_parameter(std::size_t n, double lr, double decay, bool vector)
      : lr_mult(lr), decay_mult(decay), one_dimensional(vector), w(n), g(n), a(n), b(n) {}
};

inline double norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

// Ten updates, at falling rates and with random gradients, of a matrix (7 x 5, padded) whose learning rate and decay
// are multiplied, of two biases, and of a matrix of zeros, against `formula(oracle_parameter&)`. What pads must stay
// zero.
template <class Device, class Solver, class Formula>
void check_ten_steps_on(const Solver& solver, Formula formula, double tolerance) {
  using namespace firecaffe;
  using T = typename Device::scalar;
  const unsigned seed = std::random_device{}() % 100000;
  CAPTURE(seed);
  CAPTURE(Device::name);
  std::mt19937 random{seed};
  std::normal_distribution<double> normal;

  std::vector<placed_parameter> placed(4);
  placed[0].description = {"matrix", 7, 5, 1, {.fill = {}, .lr_mult = 2, .decay_mult = 0.5f}};
  placed[1].description = {"bias", 7, 1, 1, {}};
  placed[2].description = {"second bias", 3, 1, 1, {}};
  placed[3].description = {"zeros", 4, 3, 1, {}};
  std::vector<oracle_parameter> oracle;
  std::size_t elements = 0;
  for (placed_parameter& p : placed) {
    p.stored.extent = std::size_t(p.description.elements()) + (p.description.inputs > 1 ? 13 : 0);
    p.offset = elements;
    elements += round_up(p.stored.extent, 16);
    oracle.emplace_back(std::size_t(p.description.elements()), p.description.settings.lr_mult,
                        p.description.settings.decay_mult, p.description.inputs == 1);
  }
  const std::vector<bucket> buckets{{0, placed[3].offset, 1}, {placed[3].offset, elements, 0}};
  std::vector<T> weights(elements), gradients(elements);
  for (std::size_t k = 0; k < 3; ++k)
    for (std::size_t i = 0; i < oracle[k].w.size(); ++i)
      oracle[k].w[i] = double(weights[placed[k].offset + i] = T(normal(random)));

  Device device = Device::for_rank(0, 1, 1);
  updater<Solver, Device> update(device, placed.data(), int(placed.size()), elements, buckets, 0);
  CHECK(solver.fault() == nullptr);
  for (int step = 0; step < 10; ++step) {
    const double rate = 0.1 / (1 + step);
    for (std::size_t k = 0; k < placed.size(); ++k) {
      for (std::size_t i = 0; i < oracle[k].g.size(); ++i)
        oracle[k].g[i] = double(gradients[placed[k].offset + i] = T(normal(random)));
      oracle[k].rate = rate * oracle[k].lr_mult, oracle[k].t = step + 1;
      formula(oracle[k]);
    }
    for (std::size_t b = 0; b < buckets.size(); ++b)
      update.apply(device, solver, weights.data(), gradients.data(), b, rate, step);
  }
  std::vector<T> expected(elements);
  for (std::size_t k = 0; k < placed.size(); ++k)
    for (std::size_t i = 0; i < oracle[k].w.size(); ++i) expected[placed[k].offset + i] = T(oracle[k].w[i]);
  double worst = 0;
  for (std::size_t i = 0; i < elements; ++i) {
    worst = std::max(worst, std::abs(double(weights[i]) - double(expected[i])) / (1 + std::abs(double(expected[i]))));
    if (!(double(weights[i]) == double(weights[i]))) worst = INFINITY;
    if (expected[i] == T(0)) CHECK(weights[i] == T(0));
  }
  CHECK(worst < tolerance);
}

template <class Solver, class Formula>
void check_ten_steps(const Solver& solver, Formula formula) {
  check_ten_steps_on<firecaffe::reference>(solver, formula, 1e-12);
  check_ten_steps_on<firecaffe::basic_cpu<8>>(solver, formula, 1e-6);
  check_ten_steps_on<firecaffe::basic_cpu<16>>(solver, formula, 1e-6);
}
