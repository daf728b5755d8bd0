#pragma once

#include "contract.hpp"

namespace firecaffe {

// Nesterov's accelerated gradient, by Caffe's formulas (Sutskever et al., "On the importance of initialization and
// momentum in deep learning", 2013):
//   V' <- momentum * V + rate * (gradient + weight_decay * W)
//   W  <- W - ((1 + momentum) * V' - momentum * V)
struct nesterov {
  float momentum = 0.9f;
  float weight_decay = 0;

  static constexpr const char* name = "nesterov";
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
      const T before = velocity[i], v = momentum * before + rate * gradient(i);
      velocity[i] = v;
      weights[i] -= v + momentum * (v - before);
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{u, weight_decay}, T(momentum), T(u.rate), u.weights, u.state[0]};
  }
};

}  // namespace firecaffe
