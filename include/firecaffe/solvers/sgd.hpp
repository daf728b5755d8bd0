#pragma once

#include "contract.hpp"

namespace firecaffe {

// Stochastic gradient descent with momentum, by Caffe's formulas:
//   V <- momentum * V + rate * (gradient + weight_decay * W)
//   W <- W - V
// The learning rate is inside V, so that changing it leaves the steps already taken as they were. Weight decay applies
// to biases too, unless their decay_mult is 0.
struct sgd {
  float momentum = 0;
  float weight_decay = 0;

  static constexpr const char* name = "sgd";
  static constexpr int state_arrays = 1;
  constexpr const char* fault() const {
    if (!(momentum >= 0 && momentum < 1)) return "momentum must be at least 0 and below 1";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;
    T momentum, rate;
    T* weights;
    T* velocity;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T v = momentum * velocity[i] + rate * gradient(i);
      velocity[i] = v;
      weights[i] -= v;
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{u, weight_decay}, T(momentum), T(u.rate), u.weights, u.state[0]};
  }
};

}  // namespace firecaffe
