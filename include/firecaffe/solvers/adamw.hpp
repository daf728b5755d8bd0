#pragma once

#include <cmath>

#include "contract.hpp"

namespace firecaffe {

// Adam with the weight decay apart from the gradient (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), with t the
// updates made, this one counted:
//   M <- beta1 * M + (1 - beta1) * gradient
//   V <- beta2 * V + (1 - beta2) * gradient^2
//   W <- W - rate * (M / (1 - beta1^t) / (sqrt(V / (1 - beta2^t)) + epsilon) + weight_decay * W)
struct adamw {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.01f;

  static constexpr const char* name = "adamw";
  static constexpr int state_arrays = 2;
  constexpr const char* fault() const {
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) return "beta1 and beta2 must be at least 0 and below 1";
    if (!(epsilon > 0)) return "epsilon must be positive";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;  // of the loss alone
    T beta1, beta2, one_less_beta1, one_less_beta2, mean_correction, square_correction, epsilon, rate, decay;
    T* weights;
    T* mean;
    T* square;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T g = gradient(i);
      const T m = beta1 * mean[i] + one_less_beta1 * g, v = beta2 * square[i] + one_less_beta2 * (g * g);
      mean[i] = m, square[i] = v;
      weights[i] -= rate * (mean_correction * m / (square_root(square_correction * v) + epsilon) + decay * weights[i]);
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    const double t = double(u.iteration + 1), b1 = beta1, b2 = beta2;
    return {{u, 0},
            T(beta1),
            T(beta2),
            T(1 - b1),
            T(1 - b2),
            T(1 / (1 - std::pow(b1, t))),
            T(1 / (1 - std::pow(b2, t))),
            T(epsilon),
            T(u.rate),
            T(double(weight_decay) * u.decay_mult),
            u.weights,
            u.state[0],
            u.state[1]};
  }
};

}  // namespace firecaffe
