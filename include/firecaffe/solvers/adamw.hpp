#pragma once

#include "moments.hpp"

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
  constexpr const char* fault() const { return fault_of_moments(*this); }

  template <class T>
  struct rule {
    corrected_moments<T> step;
    T rate, decay;
    T* weights;
    FIRECAFFE_HD void operator()(std::size_t i) const { weights[i] -= rate * (step(i) + decay * weights[i]); }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{*this, u}, T(u.rate), T(double(weight_decay) * u.decay_mult), u.weights};
  }
};

}  // namespace firecaffe
