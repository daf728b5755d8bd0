#include "firecaffe/solvers/lamb.hpp"

#include "firecaffe/cpu/device.hpp"
#include "ten_steps.hpp"

TEST_CASE("lamb follows the paper's formulas for ten steps") {
  for (const bool exclude : {true, false}) {
    CAPTURE(exclude);
    const firecaffe::lamb s{
        .beta1 = 0.8f, .beta2 = 0.99f, .epsilon = 1e-3f, .weight_decay = 0.3f, .exclude_vectors = exclude};
    check_ten_steps(s, [&](oracle_parameter& p) {
      const bool plain = exclude && p.one_dimensional;
      const double b1 = s.beta1, b2 = s.beta2, decay = plain ? 0 : double(s.weight_decay) * p.decay_mult;
      std::vector<double> d(p.w.size());
      for (std::size_t i = 0; i < p.w.size(); ++i) {
        p.a[i] = b1 * p.a[i] + (1 - b1) * p.g[i];
        p.b[i] = b2 * p.b[i] + (1 - b2) * p.g[i] * p.g[i];
        const double mean = p.a[i] / (1 - std::pow(b1, p.t)), square = p.b[i] / (1 - std::pow(b2, p.t));
        d[i] = mean / (std::sqrt(square) + double(s.epsilon)) + decay * p.w[i];
      }
      const double ratio = plain || norm(p.w) == 0 || norm(d) == 0 ? 1 : norm(p.w) / norm(d);
      for (std::size_t i = 0; i < p.w.size(); ++i) p.w[i] -= p.rate * ratio * d[i];
    });
  }
  CHECK(firecaffe::lamb{.beta1 = 1}.fault() != nullptr);
  CHECK(firecaffe::lamb{.epsilon = 0}.fault() != nullptr);
}
