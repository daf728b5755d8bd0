#include "firecaffe/solvers/sgd.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("sgd follows Caffe's formulas for ten steps") {
  const firecaffe::sgd s{.momentum = 0.9f, .weight_decay = 5e-2f};
  check_ten_steps(s, [&](oracle_parameter& p) {
    for (std::size_t i = 0; i < p.w.size(); ++i) {
      p.a[i] = double(s.momentum) * p.a[i] + p.rate * (p.g[i] + double(s.weight_decay) * p.decay_mult * p.w[i]);
      p.w[i] -= p.a[i];
    }
  });
  CHECK(firecaffe::sgd{.momentum = 1}.fault() != nullptr);
  CHECK(firecaffe::sgd{.weight_decay = -1}.fault() != nullptr);
}
