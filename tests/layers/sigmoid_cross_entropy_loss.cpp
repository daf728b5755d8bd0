#include "firecaffe/layers/sigmoid_cross_entropy_loss.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE_TEMPLATE("by hand, over padding, for large and for tiny losses", Device, fc::reference, fc::basic_cpu<8>,
                   fc::basic_cpu<16>) {
  struct net : fc::network<fc::input<5, 1, 2>, fc::sigmoid_cross_entropy_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 1);
  auto run = [&](const std::vector<double>& x, const std::vector<double>& t) {
    m.load(x.data(), 1);
    m.load_targets(t.data());
    m.forward({.training = true});
    return m.results()[0];
  };
  const std::vector<double> x{0, 0, 0, 1, -1, 2, -2, 3, 40, -40}, t{0, 1, 0.25, 1, 0, 0.5, 0, 1, 0, 1};
  double expected = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    const double s = 1 / (1 + std::exp(-x[i]));
    expected -= t[i] * std::log(s) + (1 - t[i]) * std::log(1 - s);
  }
  CHECK(run(x, t) == doctest::Approx(expected + 80).epsilon(1e-7));
  m.backward(0.5, {.training = true});
  const auto dx = m.gradient(0);
  for (std::size_t i = 0; i < 10; ++i)
    CHECK(double(dx[i]) == doctest::Approx(0.5 * (1 / (1 + std::exp(-x[i])) - t[i])).epsilon(1e-6));
  // Certain and right: ten times log(1 + exp(-12)).
  CHECK(run(std::vector<double>(10, 12), std::vector<double>(10, 1)) ==
        doctest::Approx(10 * std::log1p(std::exp(-12.0))).epsilon(1e-6));
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::cross_entropies>("cross entropies");
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::cross_entropies>("cross entropies", fc::basic_cpu<8>{threads}, 79);
    fc::check_agreement<networks::cross_entropies>("cross entropies", fc::basic_cpu<16>{threads}, 79 + 1);
  }
}
