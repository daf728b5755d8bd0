#pragma once

#include <cmath>

#include "contract.hpp"

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
  constexpr const char* fault() const {
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) return "beta1 and beta2 must be at least 0 and below 1";
    if (!(epsilon > 0)) return "epsilon must be positive";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;
    T beta1, beta2, one_less_beta1, one_less_beta2, epsilon, rate;
    T* weights;
    T* mean;
    T* square;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T g = gradient(i);
      const T m = beta1 * mean[i] + one_less_beta1 * g, v = beta2 * square[i] + one_less_beta2 * (g * g);
      mean[i] = m, square[i] = v;
      weights[i] -= rate * m / (square_root(v) + epsilon);
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    const double t = double(u.iteration + 1), b1 = beta1, b2 = beta2;
    const double rate = u.rate * std::sqrt(1 - std::pow(b2, t)) / (1 - std::pow(b1, t));
    return {{u, weight_decay}, T(beta1), T(beta2),  T(1 - b1),  T(1 - b2),
            T(epsilon),        T(rate),  u.weights, u.state[0], u.state[1]};
  }
};

}  // namespace firecaffe
