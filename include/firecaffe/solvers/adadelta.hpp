#pragma once

#include "contract.hpp"

namespace firecaffe {

// AdaDelta (Zeiler, arXiv 1212.5701) by Caffe's formulas, with g = gradient + weight_decay * W:
//   H <- rho * H + (1 - rho) * g^2
//   d  = sqrt((D + epsilon) / (H + epsilon)) * g
//   D <- rho * D + (1 - rho) * d^2
//   W <- W - rate * d
// Caffe calls rho its momentum. The paper's rate is 1.
struct adadelta {
  float rho = 0.95f;
  float epsilon = 1e-6f;
  float weight_decay = 0;

  static constexpr const char* name = "adadelta";
  static constexpr int state_arrays = 2;
  constexpr const char* fault() const {
    if (!(rho >= 0 && rho < 1)) return "rho must be at least 0 and below 1";
    if (!(epsilon > 0)) return "epsilon must be positive";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;
    T rho, one_less_rho, epsilon, rate;
    T* weights;
    T* history;
    T* steps;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T g = gradient(i), h = rho * history[i] + one_less_rho * (g * g);
      const T d = square_root((steps[i] + epsilon) / (h + epsilon)) * g;
      history[i] = h;
      steps[i] = rho * steps[i] + one_less_rho * (d * d);
      weights[i] -= rate * d;
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{u, weight_decay}, T(rho), T(1 - double(rho)), T(epsilon), T(u.rate), u.weights, u.state[0], u.state[1]};
  }
};

}  // namespace firecaffe
