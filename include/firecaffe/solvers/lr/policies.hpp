#pragma once

#include <cmath>
#include <cstdint>

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

// rate = base * (1 + gamma * iteration) ^ -power
struct inv {
  float base = 0.01f;
  float gamma = 1e-4f;
  float power = 0.75f;
  double operator()(std::int64_t iteration) const {
    return base * std::pow(1 + gamma * double(iteration), -double(power));
  }
};

}  // namespace firecaffe::lr
