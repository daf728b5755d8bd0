#pragma once

#include <cmath>

#include "moments.hpp"

namespace firecaffe {

// Adam (Kingma and Ba, arXiv 1412.6980) by Caffe's formulas, with g = gradient + weight_decay * W and t the updates
// made, this one counted:
//   M <- beta1 * M + (1 - beta1) * g
//   V <- beta2 * V + (1 - beta2) * g^2
//   W <- W - rate * sqrt(1 - beta2^t) / (1 - beta1^t) * M / (sqrt(V) + epsilon)
struct adam {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0;

  static constexpr const char* name = "adam";
  static constexpr int state_arrays = 2;
  constexpr const char* fault() const { return fault_of_moments(*this); }

  template <class T>
  struct rule {
    moments<T> both;
    T epsilon, rate;
    T* weights;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const auto [m, v] = both.advance(i);
      weights[i] -= rate * m / (square_root(v) + epsilon);
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    const double t = double(u.iteration + 1);
    const double rate = u.rate * std::sqrt(1 - std::pow(double(beta2), t)) / (1 - std::pow(double(beta1), t));
    return {{*this, u, weight_decay}, T(epsilon), T(rate), u.weights};
  }
};

}  // namespace firecaffe
