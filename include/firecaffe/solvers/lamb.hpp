#pragma once

#include "moments.hpp"

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
  constexpr const char* fault() const { return fault_of_moments(*this); }

  template <class T>
  bool adapts(const update_of<T>& u) const {
    return !(exclude_vectors && u.one_dimensional);
  }
  template <class T>
  const T* direction(const update_of<T>& u) const {
    return u.state[2];
  }

  template <class T>
  struct direction_rule {
    corrected_moments<T> step;
    T decay;
    const T* weights;
    T* direction;
    FIRECAFFE_HD void operator()(std::size_t i) const { direction[i] = step(i) + decay * weights[i]; }
  };
  template <class T>
  direction_rule<T> prepare(const update_of<T>& u) const {
    return {{*this, u}, T(adapts(u) ? double(weight_decay) * u.decay_mult : 0.0), u.weights, u.state[2]};
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
