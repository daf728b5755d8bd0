#include "firecaffe/solvers/adagrad.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("adagrad follows Caffe's formulas for ten steps") {
  const firecaffe::adagrad s{.epsilon = 1e-2f, .weight_decay = 5e-2f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      const double g = p.g[i] + double(s.weight_decay) * p.decay_mult * p.w[i];
      p.a[i] += g * g;
      p.w[i] -= p.rate * g / (std::sqrt(p.a[i]) + double(s.epsilon));
    }
  });
  CHECK(firecaffe::adagrad{.epsilon = 0}.fault() != nullptr);  // 0 / 0 where the padding is
}
