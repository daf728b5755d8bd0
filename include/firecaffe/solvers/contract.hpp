#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../core/host_device.hpp"
#include "../core/math.hpp"

namespace firecaffe {

// The solver contract. A solver is an aggregate of its settings, floats and bools, with
//   name                      what messages and fingerprints call it
//   state_arrays              how many arrays like the parameters it keeps, zero at first
//   const char* fault()       what is wrong with the settings, or nullptr
//   update(update_of<T>)      the rule: a functor that does element i, written once for all devices
// One whose steps depend on norms of a whole parameter (LARS, LAMB) has besides
//   adapts(update_of<T>)      whether this parameter's do
//   direction(update_of<T>)   the array that is compared with the weights; u.norms has the norms when update is called
//   prepare(update_of<T>)     a rule that runs before the norms are taken; optional
// The gradient is that of the loss averaged over the global batch. Padding has zeros in weights, gradients and state;
// every rule keeps them zero, which is why what is added to a denominator must be positive.

// What a solver is given of one parameter, or of several that lie in a row and are treated alike. All pointers are into
// the device's memory but `state`, an array of pointers on the host; rules copy what they need.
template <class T>
struct update_of {
  T* weights = nullptr;
  const T* gradients = nullptr;
  T* const* state = nullptr;
  double rate = 0;                         // the policy's, times the parameter's lr_mult
  double decay_mult = 1;                   // of the solver's weight decay
  std::int64_t iteration = 0;              // updates made before this one
  bool one_dimensional = false;            // a bias, the scales of a normalisation: one number for each output
  const double* gradient_scale = nullptr;  // every gradient is to be multiplied by it: see trainer_options::clip
  const double* norms = nullptr;           // squared, of the weights and the direction; zeros where nothing adapts
};

template <class Solver, class T>
concept layerwise_solver = requires(const Solver& s, const update_of<T>& u) {
  { s.adapts(u) } -> std::same_as<bool>;
  { s.direction(u) } -> std::same_as<const T*>;
};

// The gradient of the loss and of the L2 penalty, element by element: scale * gradient + decay * weight.
template <class T>
struct penalised_gradient {
  const T* weights;
  const T* gradients;
  const double* scale;
  T decay;

  penalised_gradient() = default;
  penalised_gradient(const update_of<T>& u, double weight_decay)
      : weights(u.weights), gradients(u.gradients), scale(u.gradient_scale), decay(T(weight_decay * u.decay_mult)) {}
  FIRECAFFE_HD T operator()(std::size_t i) const { return T(*scale) * gradients[i] + decay * weights[i]; }
};

// The update of a running mean, which is no solver's: w <- (1 - follows) w + follows * value.
template <class T>
struct follow_rule {
  T* weights;
  const T* values;
  T follows;
  FIRECAFFE_HD void operator()(std::size_t i) const { weights[i] += follows * (values[i] - weights[i]); }
};

}  // namespace firecaffe

namespace firecaffe::lr {

// Holds any function of the iteration (from 0) that gives a learning rate: the policies of lr/policies.hpp, a lambda.
// Does what std::function would, whose header takes 15 MiB of the memory in which a trainer compiles.
class policy {
 public:
  template <class Function>
  requires(!std::same_as<Function, policy>) &&
      std::is_invocable_r_v<double, const Function&, std::int64_t> policy(
          Function f)  // NOLINT(google-explicit-constructor): options are given as policies
      : function_(new Function(std::move(f))),
  verbs_{[](const void* p) -> void* { return new Function(*static_cast<const Function*>(p)); },
         [](void* p) { delete static_cast<Function*>(p); },
         [](const void* p, std::int64_t i) -> double { return (*static_cast<const Function*>(p))(i); }} {}
  policy(const policy& other) : function_(other.verbs_.copy(other.function_)), verbs_(other.verbs_) {}
  policy& operator=(policy other) noexcept {
    std::swap(function_, other.function_);
    std::swap(verbs_, other.verbs_);
    return *this;
  }
  ~policy() { verbs_.destroy(function_); }

  double operator()(std::int64_t iteration) const { return verbs_.call(function_, iteration); }

 private:
  struct verbs {
    void* (*copy)(const void*);
    void (*destroy)(void*);
    double (*call)(const void*, std::int64_t);
  };
  void* function_;
  verbs verbs_;
};

}  // namespace firecaffe::lr
