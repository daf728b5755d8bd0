#include "firecaffe/layers/dense.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE("dense layers, activations, dropout and losses: gradients are those of the forward pass") {
  fc::check_gradients<networks::activations>("activations", 0);
  fc::check_gradients<networks::images>("images");
  fc::check_report("softmax_loss", fc::gradient_check<fc::softmax_loss, fc::input<7>, fc::reference>());
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::activations>("activations", fc::basic_cpu<8>{threads}, 41);
    fc::check_agreement<networks::images>("images", fc::basic_cpu<8>{threads}, 42);
  }
}

TEST_CASE_TEMPLATE("dropout drops its share and keeps the mean", Device, fc::reference, fc::basic_cpu<16>) {
  struct net : fc::network<fc::input<40, 5, 5>, fc::dropout<fc::ratio<1, 4>>, fc::euclidean_loss> {};
  fc::model<net, Device> m(Device{}, 8);
  const std::vector<double> ones(8 * 1000, 1.0);
  auto run = [&](fc::pass now) {
    m.load(ones.data(), 8);
    m.load_targets(ones.data());
    m.forward(now);
    const auto y = m.output();
    return std::vector<double>(y.begin(), y.end());
  };
  CHECK(run({.training = false}) == ones);
  const auto a = run({.training = true, .seed = 3, .step = 1, .first_sample = 16});
  int kept = 0;
  for (double v : a) {
    CHECK((v == 0 || v == doctest::Approx(4.0 / 3)));
    kept += v != 0;
  }
  CHECK(std::fabs(kept - 6000.0) < 5 * std::sqrt(8000 * 0.25 * 0.75));
  CHECK(run({.training = true, .seed = 3, .step = 1, .first_sample = 16}) == a);
  CHECK(run({.training = true, .seed = 3, .step = 2, .first_sample = 16}) != a);
  CHECK(run({.training = true, .seed = 4, .step = 1, .first_sample = 16}) != a);
  // The mask belongs to the sample's position in the global batch.
  const auto shifted = run({.training = true, .seed = 3, .step = 1, .first_sample = 17});
  CHECK(std::vector<double>(shifted.begin(), shifted.end() - 1000) == std::vector<double>(a.begin() + 1000, a.end()));
}

TEST_CASE_TEMPLATE("accuracy counts as it says, with ties", Device, fc::reference, fc::basic_cpu<8>) {
  struct net : fc::network<fc::input<9>, fc::accuracy<1>, fc::accuracy<3>, fc::softmax_loss> {};
  constexpr int samples = 200;
  fc::model<net, Device> m(Device{}, samples);
  std::vector<double> x(9 * samples);
  std::vector<std::int32_t> labels(samples);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = fc::random_word({5, 0, 0, fc::random_use::test, 0}, i) % 4;  // many ties
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = int(fc::random_word({5, 0, 0, fc::random_use::test, 1}, i) % 9);
  int right[2] = {};
  double loss = 0;
  for (int n = 0; n < samples; ++n) {
    const double* row = x.data() + 9 * n;
    const double mine = row[labels[std::size_t(n)]];
    int place = -1;
    double sum = 0;
    for (int c = 0; c < 9; ++c) place += row[c] >= mine, sum += std::exp(row[c]);
    right[0] += place < 1, right[1] += place < 3;
    loss += std::log(sum) - mine;
  }
  m.load(x.data(), samples);
  m.load_labels(labels.data());
  m.forward({.training = false});
  CHECK(m.results()[0] == right[0]);
  CHECK(m.results()[1] == right[1]);
  CHECK(m.results()[2] == doctest::Approx(loss).epsilon(1e-6));
  CHECK(right[1] > right[0]);
}

TEST_CASE_TEMPLATE("softmax_loss does not overflow", Device, fc::reference, fc::basic_cpu<8>) {
  struct net : fc::network<fc::input<3>, fc::softmax_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 2);
  const double x[] = {1e4, 1e4, -1e4, -3e4, 0, -1e4};
  const std::int32_t labels[] = {1, 1};
  m.load(x, 2);
  m.load_labels(labels);
  m.forward({.training = true});
  CHECK(m.results()[0] == doctest::Approx(std::log(2.0)));
  m.backward(1, {.training = true});
  const auto dx = m.gradient(0);
  const double expected[] = {0.5, -0.5, 0, 0, 0, 0};
  for (std::size_t i = 0; i < 6; ++i) CHECK(double(dx[i]) == doctest::Approx(expected[i]));
}
