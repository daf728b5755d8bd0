#include "firecaffe/solvers/adam.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("adam follows Caffe's formulas for ten steps") {
  const firecaffe::adam s{.beta1 = 0.8f, .beta2 = 0.99f, .epsilon = 1e-3f, .weight_decay = 5e-2f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    const double b1 = s.beta1, b2 = s.beta2;
    const double correction = std::sqrt(1 - std::pow(b2, p.t)) / (1 - std::pow(b1, p.t));
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      const double g = p.g[i] + double(s.weight_decay) * p.decay_mult * p.w[i];
      p.a[i] = b1 * p.a[i] + (1 - b1) * g;
      p.b[i] = b2 * p.b[i] + (1 - b2) * g * g;
      p.w[i] -= p.rate * correction * p.a[i] / (std::sqrt(p.b[i]) + double(s.epsilon));
    }
  });
  CHECK(firecaffe::adam{.beta1 = 1}.fault() != nullptr);
  CHECK(firecaffe::adam{.epsilon = 0}.fault() != nullptr);
}
