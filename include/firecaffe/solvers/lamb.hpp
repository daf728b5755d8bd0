#pragma once

#include <cmath>

#include "contract.hpp"

namespace firecaffe {

// Layer-wise adaptive moments for large batches (You et al., arXiv 1904.00962, algorithm 2, with phi(z) = z): Adam's
// direction, each parameter's step in proportion to its norm. With t the updates made, this one counted, and norms over
// one parameter:
//   M <- beta1 * M + (1 - beta1) * gradient
//   V <- beta2 * V + (1 - beta2) * gradient^2
//   d  = M / (1 - beta1^t) / (sqrt(V / (1 - beta2^t)) + epsilon) + weight_decay * W
//   W <- W - rate * ratio * d, ratio = |W| / |d|, 1 where either is 0
// With `exclude_vectors`, as commonly done, biases and other one-dimensional parameters neither adapt nor decay. The
// third array of state holds d from the pass that takes its norm to the one that uses it.
struct lamb {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-6f;
  float weight_decay = 0.01f;
  bool exclude_vectors = true;

  static constexpr const char* name = "lamb";
  static constexpr int state_arrays = 3;
  constexpr const char* fault() const {
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) return "beta1 and beta2 must be at least 0 and below 1";
    if (!(epsilon > 0)) return "epsilon must be positive";
    return weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
  }

  template <class T>
  bool adapts(const update_of<T>& u) const {
    return !(exclude_vectors && u.one_dimensional);
  }
  template <class T>
  const T* direction(const update_of<T>& u) const {
    return u.state[2];
  }

  template <class T>
  struct moments_rule {
    penalised_gradient<T> gradient;  // of the loss alone
    T beta1, beta2, one_less_beta1, one_less_beta2, mean_correction, square_correction, epsilon, decay;
    T* mean;
    T* square;
    T* direction;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T g = gradient(i);
      const T m = beta1 * mean[i] + one_less_beta1 * g, v = beta2 * square[i] + one_less_beta2 * (g * g);
      mean[i] = m, square[i] = v;
      direction[i] = mean_correction * m / (square_root(square_correction * v) + epsilon) + decay * gradient.weights[i];
    }
  };
  template <class T>
  moments_rule<T> prepare(const update_of<T>& u) const {
    const double t = double(u.iteration + 1), b1 = beta1, b2 = beta2;
    return {{u, 0},
            T(beta1),
            T(beta2),
            T(1 - b1),
            T(1 - b2),
            T(1 / (1 - std::pow(b1, t))),
            T(1 / (1 - std::pow(b2, t))),
            T(epsilon),
            T(adapts(u) ? double(weight_decay) * u.decay_mult : 0.0),
            u.state[0],
            u.state[1],
            u.state[2]};
  }

  template <class T>
  struct rule {
    T rate;
    const double* norms;
    T* weights;
    const T* direction;
    FIRECAFFE_HD void operator()(std::size_t i) const {
      const T w = square_root(T(norms[0])), d = square_root(T(norms[1]));
      const bool adapts = w > 0 && d > 0;
      weights[i] -= rate * (adapts ? w / (adapts ? d : T(1)) : T(1)) * direction[i];
    }
  };
  template <class T>
  rule<T> update(const update_of<T>& u) const {
    return {T(u.rate), u.norms, u.weights, u.state[2]};
  }
};

}  // namespace firecaffe
