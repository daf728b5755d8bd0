#pragma once

#include "contract.hpp"

namespace firecaffe {

// Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, arXiv 1708.03888, algorithm 1), for large batches: each
// parameter's step is a fraction of its norm. With g the gradient and norms over one parameter:
//   ratio = trust * |W| / (|g| + weight_decay * |W| + epsilon), 1 where |W| or |g| is 0
//   V <- momentum * V + rate * ratio * (g + weight_decay * W)
//   W <- W - V
// With `exclude_vectors`, as commonly done, biases and other one-dimensional parameters neither adapt nor decay.
struct lars {
  float momentum = 0.9f;
  float weight_decay = 5e-4f;
  float trust = 1e-3f;
  float epsilon = 1e-9f;
  bool exclude_vectors = true;

  static constexpr const char* name = "lars";
  static constexpr int state_arrays = 1;
  constexpr const char* fault() const {
    if (!(momentum >= 0 && momentum < 1)) return "momentum must be at least 0 and below 1";
    if (!(trust > 0)) return "trust must be positive";
    if (!(epsilon >= 0)) return "epsilon must not be negative";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  bool adapts(const update_of<T>& u) const {
    return !(exclude_vectors && u.one_dimensional);
  }
  template <class T>
  const T* direction(const update_of<T>& u) const {
    return u.gradients;
  }

  template <class T>
  struct rule {
    penalised_gradient<T> gradient;
    T momentum, rate, trust, epsilon;
    const double* norms;
    T* weights;
    T* velocity;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T w = square_root(T(norms[0])), g = T(*gradient.scale) * square_root(T(norms[1]));
      const bool adapts = w > 0 && g > 0;
      const T ratio = adapts ? trust * w / (adapts ? g + gradient.decay * w + epsilon : T(1)) : T(1);
      const T v = momentum * velocity[i] + rate * ratio * gradient(i);
      velocity[i] = v;
      weights[i] -= v;
    }
  };

  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {{u, adapts(u) ? weight_decay : 0},
            T(momentum),
            T(u.rate),
            T(trust),
            T(epsilon),
            u.norms,
            u.weights,
            u.state[0]};
  }
};

}  // namespace firecaffe
