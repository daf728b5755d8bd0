#include "firecaffe/solvers/adamw.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("adamw decays apart from the gradient, for ten steps") {
  const firecaffe::adamw s{.beta1 = 0.8f, .beta2 = 0.99f, .epsilon = 1e-3f, .weight_decay = 0.3f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    const double b1 = s.beta1, b2 = s.beta2;
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      p.a[i] = b1 * p.a[i] + (1 - b1) * p.g[i];
      p.b[i] = b2 * p.b[i] + (1 - b2) * p.g[i] * p.g[i];
      const double mean = p.a[i] / (1 - std::pow(b1, p.t)), square = p.b[i] / (1 - std::pow(b2, p.t));
      p.w[i] -=
          p.rate * (mean / (std::sqrt(square) + double(s.epsilon)) + double(s.weight_decay) * p.decay_mult * p.w[i]);
    }
  });
  CHECK(firecaffe::adamw{.beta2 = 1}.fault() != nullptr);
  CHECK(firecaffe::adamw{.epsilon = 0}.fault() != nullptr);
}
