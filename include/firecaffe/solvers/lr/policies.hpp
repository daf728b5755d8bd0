#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace firecaffe::lr {

// Learning-rate policies are functions of the iteration (from 0), with Caffe's names and formulas. Any callable will
// do.

// rate = base
struct fixed {
  float base = 0.01f;
  double operator()(std::int64_t) const { return base; }
};

// rate = base * gamma ^ floor(iteration / every)
struct step {
  float base = 0.01f;
  float gamma = 0.1f;
  std::int64_t every = 100'000;
  double operator()(std::int64_t iteration) const { return base * std::pow(double(gamma), double(iteration / every)); }
};

// rate = base * gamma ^ (how many of `at` the iteration has reached)
struct multistep {
  float base = 0.01f;
  float gamma = 0.1f;
  std::vector<std::int64_t> at;
  double operator()(std::int64_t iteration) const {
    double rate = base;
    for (const std::int64_t a : at) rate *= iteration >= a ? double(gamma) : 1;
    return rate;
  }
};

// rate = base * gamma ^ iteration
struct exp {
  float base = 0.01f;
  float gamma = 0.999f;
  double operator()(std::int64_t iteration) const { return base * std::pow(double(gamma), double(iteration)); }
};

// rate = base * (1 + gamma * iteration) ^ -power
struct inv {
  float base = 0.01f;
  float gamma = 1e-4f;
  float power = 0.75f;
  double operator()(std::int64_t iteration) const {
    return base * std::pow(1 + gamma * double(iteration), -double(power));
  }
};

// rate = base * (1 - iteration / iterations) ^ power, and 0 from then on
struct poly {
  float base = 0.01f;
  float power = 0.5f;
  std::int64_t iterations = 100'000;
  double operator()(std::int64_t iteration) const {
    return iteration < iterations ? base * std::pow(1 - double(iteration) / double(iterations), double(power)) : 0;
  }
};

// rate = base / (1 + exp(-gamma * (iteration - middle))): falls for a negative gamma
struct sigmoid {
  float base = 0.01f;
  float gamma = -1e-4f;
  std::int64_t middle = 50'000;
  double operator()(std::int64_t iteration) const { return base / (1 + std::exp(-gamma * double(iteration - middle))); }
};

// rate = last + (base - last) / 2 * (1 + cos(pi * iteration / iterations)), and `last` from then on: Loshchilov and
// Hutter, arXiv 1608.03983, without restarts.
struct cosine {
  float base = 0.01f;
  float last = 0;
  std::int64_t iterations = 100'000;
  double operator()(std::int64_t iteration) const {
    const double done = iteration < iterations ? double(iteration) / double(iterations) : 1;
    return last + (double(base) - double(last)) / 2 * (1 + std::cos(3.141592653589793 * done));
  }
};

// The gradual warmup of Goyal et al. (arXiv 1706.02677, section 2.2): a line from `from` to what `then` gives after
// `over` iterations, and `then` afterwards. `then` counts from the run's start, as their schedules do: warmup takes the
// place of its first iterations and delays nothing.
//   rate = from + (then(over) - from) * iteration / over   before iteration `over`
template <class Policy>
struct warmup {
  Policy then;
  float from = 0;
  std::int64_t over = 0;
  double operator()(std::int64_t iteration) const {
    if (iteration >= over) return then(iteration);
    return from + (then(over) - from) * double(iteration) / double(over);
  }
};

}  // namespace firecaffe::lr
