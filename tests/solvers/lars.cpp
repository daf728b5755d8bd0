#include "firecaffe/solvers/lars.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("lars follows the paper's formulas for ten steps") {
  for (const bool exclude : {true, false}) {
    CAPTURE(exclude);
    const firecaffe::lars s{
        .momentum = 0.9f, .weight_decay = 5e-2f, .trust = 0.3f, .epsilon = 1e-3f, .exclude_vectors = exclude};
    check_ten_steps(s, [&](oracle_parameter& p) {
      const bool plain = exclude && p.one_dimensional;
      const double decay = plain ? 0 : double(s.weight_decay) * p.decay_mult, w = norm(p.w), g = norm(p.g);
      const double ratio = plain || w == 0 || g == 0 ? 1 : double(s.trust) * w / (g + decay * w + double(s.epsilon));
      for (std::size_t i = 0; i < p.w.size(); ++i) {
        p.a[i] = double(s.momentum) * p.a[i] + p.rate * ratio * (p.g[i] + decay * p.w[i]);
        p.w[i] -= p.a[i];
      }
    });
  }
  CHECK(firecaffe::lars{.trust = 0}.fault() != nullptr);
  CHECK(firecaffe::lars{.momentum = 1}.fault() != nullptr);
}
