#pragma once

#include "reference_layers.hpp"
#include "torch_step.hpp"

constexpr limits in_double{.norm = 1e-6, .element = 1e-6, .share = 0.99, .loss = 1e-8, .statistics = 1e-6};

// The same on the oracle, in double precision from parameters rounded to single: shows that the network is the one
// that PyTorch trains, down to the last term, where single precision cannot.
template <class Net>
void agrees_in_double(const char* name) {
  using namespace firecaffe;
  const torch_step expected(name);
  model<Net, firecaffe::reference> m(firecaffe::reference{}, expected.batch, expected.seed);
  for (int i = 0; i < m.the_parameters.count; ++i) {
    const std::vector<double> values = m.parameter_values(i);
    const std::vector<float> rounded(values.begin(), values.end());
    m.template set_parameter<float>(i, rounded);
  }
  agrees_with_reference(m, expected, in_double);
}
