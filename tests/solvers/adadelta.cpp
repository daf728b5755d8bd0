#include "firecaffe/solvers/adadelta.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("adadelta follows Caffe's formulas for ten steps") {
  const firecaffe::adadelta s{.rho = 0.9f, .epsilon = 1e-2f, .weight_decay = 5e-2f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    const double rho = s.rho, epsilon = s.epsilon;
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      const double g = p.g[i] + double(s.weight_decay) * p.decay_mult * p.w[i];
      p.a[i] = rho * p.a[i] + (1 - rho) * g * g;
      const double d = g * std::sqrt((epsilon + p.b[i]) / (epsilon + p.a[i]));
      p.b[i] = rho * p.b[i] + (1 - rho) * d * d;
      p.w[i] -= p.rate * d;
    }
  });
  CHECK(firecaffe::adadelta{.rho = 1}.fault() != nullptr);
  CHECK(firecaffe::adadelta{.epsilon = 0}.fault() != nullptr);
}
