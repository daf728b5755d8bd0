#pragma once

#include <cmath>

#include "contract.hpp"

namespace firecaffe {

// What adam, adamw and lamb keep: decaying means of the gradient and of its square, element by element,
//   M <- beta1 * M + (1 - beta1) * g,   V <- beta2 * V + (1 - beta2) * g^2
template <class T>
struct moments {
  penalised_gradient<T> gradient;
  T beta1, beta2, one_less_beta1, one_less_beta2;
  T* mean;
  T* square;

  moments() = default;
  // The solver's first two arrays of state hold M and V.
  template <class Solver>
  moments(const Solver& s, const update_of<T>& u, double weight_decay)
      : gradient(u, weight_decay),
        beta1(T(s.beta1)),
        beta2(T(s.beta2)),
        one_less_beta1(T(1 - double(s.beta1))),
        one_less_beta2(T(1 - double(s.beta2))),
        mean(u.state[0]),
        square(u.state[1]) {}
  struct element {
    T mean, square;
  };
  FIRECAFFE_HD element advance(std::size_t i) const {
    const T g = gradient(i);
    const T m = beta1 * mean[i] + one_less_beta1 * g, v = beta2 * square[i] + one_less_beta2 * (g * g);
    mean[i] = m, square[i] = v;
    return {m, v};
  }
};

// The step that they give once the zeros they began with are divided out; the gradient is that of the loss alone. With
// t the updates made, this one counted: M / (1 - beta1^t) / (sqrt(V / (1 - beta2^t)) + epsilon)
template <class T>
struct corrected_moments {
  moments<T> both;
  T mean_correction, square_correction, epsilon;

  corrected_moments() = default;
  template <class Solver>
  corrected_moments(const Solver& s, const update_of<T>& u)
      : both(s, u, 0),
        mean_correction(T(1 / (1 - std::pow(double(s.beta1), double(u.iteration + 1))))),
        square_correction(T(1 / (1 - std::pow(double(s.beta2), double(u.iteration + 1))))),
        epsilon(T(s.epsilon)) {}
  FIRECAFFE_HD T operator()(std::size_t i) const {
    const auto [m, v] = both.advance(i);
    return mean_correction * m / (square_root(square_correction * v) + epsilon);
  }
};

// What is wrong with the settings of such a solver.
template <class Solver>
constexpr const char* fault_of_moments(const Solver& s) {
  if (!(s.beta1 >= 0 && s.beta1 < 1 && s.beta2 >= 0 && s.beta2 < 1))
    return "beta1 and beta2 must be at least 0 and below 1";
  if (!(s.epsilon > 0)) return "epsilon must be positive";
  return s.weight_decay >= 0 ? nullptr : "weight_decay must not be negative";
}

}  // namespace firecaffe
