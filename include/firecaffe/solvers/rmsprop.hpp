#pragma once

#include "contract.hpp"

namespace firecaffe {

// RMSProp (Tieleman and Hinton, 2012) by Caffe's formulas, with g = gradient + weight_decay * W:
//   H <- rms_decay * H + (1 - rms_decay) * g^2
//   W <- W - rate * g / (sqrt(H) + epsilon)
struct rmsprop {
  float rms_decay = 0.99f;
  float epsilon = 1e-8f;
  float weight_decay = 0;

  static constexpr const char* name = "rmsprop";
  static constexpr int state_arrays = 1;
  constexpr const char* fault() const {
    if (!(rms_decay >= 0 && rms_decay < 1)) return "rms_decay must be at least 0 and below 1";
    if (!(epsilon > 0)) return "epsilon must be positive";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;
    T rms_decay, one_less_decay, epsilon, rate;
    T* weights;
    T* history;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T g = gradient(i), h = rms_decay * history[i] + one_less_decay * (g * g);
      history[i] = h;
      weights[i] -= rate * g / (square_root(h) + epsilon);
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{u, weight_decay}, T(rms_decay), T(1 - double(rms_decay)), T(epsilon), T(u.rate), u.weights, u.state[0]};
  }
};

}  // namespace firecaffe
