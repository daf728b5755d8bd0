#pragma once

#include "contract.hpp"

namespace firecaffe {

// AdaGrad (Duchi, Hazan and Singer, 2011) by Caffe's formulas, with g = gradient + weight_decay * W:
//   H <- H + g^2
//   W <- W - rate * g / (sqrt(H) + epsilon)
struct adagrad {
  float epsilon = 1e-8f;
  float weight_decay = 0;

  static constexpr const char* name = "adagrad";
  static constexpr int state_arrays = 1;
  constexpr const char* fault() const {
    if (!(epsilon > 0)) return "epsilon must be positive";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;
    T epsilon, rate;
    T* weights;
    T* history;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T g = gradient(i), h = history[i] + g * g;
      history[i] = h;
      weights[i] -= rate * g / (square_root(h) + epsilon);
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{u, weight_decay}, T(epsilon), T(u.rate), u.weights, u.state[0]};
  }
};

}  // namespace firecaffe
