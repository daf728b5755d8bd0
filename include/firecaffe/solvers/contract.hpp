#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace firecaffe::lr {

// Holds any function of the iteration (from 0) that gives a learning rate: the policies of lr/policies.hpp, a lambda.
// Does what std::function would, whose header takes 15 MiB of the memory in which a trainer compiles.
class policy {
 public:
  template <class Function>
  requires(!std::same_as<Function, policy>) && std::is_invocable_r_v<double, const Function&, std::int64_t>
  policy(Function f)  // NOLINT(google-explicit-constructor): options are given as policies
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
