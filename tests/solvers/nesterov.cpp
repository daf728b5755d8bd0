#include "firecaffe/solvers/nesterov.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("nesterov follows Caffe's formulas for ten steps") {
  const firecaffe::nesterov s{.momentum = 0.8f, .weight_decay = 5e-2f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    const double m = s.momentum;
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      const double before = p.a[i];
      p.a[i] = m * before + p.rate * (p.g[i] + double(s.weight_decay) * p.decay_mult * p.w[i]);
      p.w[i] -= (1 + m) * p.a[i] - m * before;
    }
  });
  CHECK(firecaffe::nesterov{.momentum = -0.1f}.fault() != nullptr);
}
