#pragma once

#include <doctest/doctest.h>

#include "firecaffe/network/gradient_check.hpp"
#include "reference_layers.hpp"

namespace firecaffe {

// Backward against differences of forward, in double: good to the square root of its precision and better.
inline void check_report(const char* name, const gradient_report& r) {
  INFO(std::string(name), ", worst: ", r.where, ", checked ", r.checked, ", skipped ", r.skipped);
  CHECK(r.worst_relative_error < 1e-6);
  CHECK(r.checked > 4 * r.skipped);
}

template <class Net, class Device = reference>
void check_gradients(const char* name, int samples_per_parameter = 25) {
  check_report(name,
               gradient_check<Net, Device>({.seed = 11, .batch = 2, .samples_per_parameter = samples_per_parameter}));
}

}  // namespace firecaffe
