#pragma once

#include <cstddef>

#include "../core/host_device.hpp"

namespace firecaffe {

// A solver is an aggregate of its settings with
//   state_arrays                          how many arrays like the parameters it keeps, zero at first
//   rule<T>                               what it does to element i: a functor, written once for all devices
//   update(parameters, gradients, state, rate) -> rule<T>

// Stochastic gradient descent with momentum, by Caffe's formulas:
//   V <- momentum * V + rate * (gradient + weight_decay * W)
//   W <- W - V
// The learning rate is inside V, so that changing it leaves the steps already taken as they were. The gradient is that
// of the loss averaged over the global batch. Weight decay applies to biases too.
struct sgd {
  float momentum = 0;
  float weight_decay = 0;

  static constexpr const char* name = "sgd";
  static constexpr int state_arrays = 1;

  template <class T>
  struct rule {
    T momentum, weight_decay, rate;
    T* parameters;
    const T* gradients;
    T* velocity;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T v = momentum * velocity[i] + rate * (gradients[i] + weight_decay * parameters[i]);
      velocity[i] = v;
      parameters[i] -= v;
    }
  };

  template <class T>
  rule<T> update(T* parameters, const T* gradients, T* const* state, double rate) const {
    return {T(momentum), T(weight_decay), T(rate), parameters, gradients, state[0]};
  }
};

}  // namespace firecaffe
