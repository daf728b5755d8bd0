#include "firecaffe/solvers/rmsprop.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("rmsprop follows Caffe's formulas for ten steps") {
  const firecaffe::rmsprop s{.rms_decay = 0.9f, .epsilon = 1e-2f, .weight_decay = 5e-2f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    const double decay = s.rms_decay;
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      const double g = p.g[i] + double(s.weight_decay) * p.decay_mult * p.w[i];
      p.a[i] = decay * p.a[i] + (1 - decay) * g * g;
      p.w[i] -= p.rate * g / (std::sqrt(p.a[i]) + double(s.epsilon));
    }
  });
  CHECK(firecaffe::rmsprop{.rms_decay = 1}.fault() != nullptr);
  CHECK(firecaffe::rmsprop{.epsilon = 0}.fault() != nullptr);
}
