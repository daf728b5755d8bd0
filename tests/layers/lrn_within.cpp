#include "firecaffe/layers/lrn_within.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE_TEMPLATE("by hand", Device, fc::reference, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  // s = 1 + 9 / 9 * (sum of squares in the window of 3 x 3)
  using layer = fc::lrn_within<fc::local_size<3>, fc::alpha<fc::ratio<9>>, fc::beta<fc::ratio<1, 2>>>;
  static_assert(fc::lrn_within<>::settings.local_size == 5 && fc::lrn_within<>::settings.beta == 0.75);
  struct net : fc::network<fc::input<5, 2, 3>, layer, fc::euclidean_loss> {};
  fc::model<net, Device> m(Device{}, 1);
  double x[30];
  for (int i = 0; i < 30; ++i) x[i] = i % 7 - 3;
  m.load(x, 1);
  m.forward({.training = false});
  const auto y = m.output();
  for (int c = 0; c < 5; ++c)
    for (int w = 0; w < 3; ++w) {
      double s = 1;  // both rows are in every window
      for (int t = 0; t < 3; ++t)
        if (std::abs(t - w) <= 1) s += x[6 * c + t] * x[6 * c + t] + x[6 * c + 3 + t] * x[6 * c + 3 + t];
      for (int at : {6 * c + w, 6 * c + 3 + w})
        CHECK(double(y[std::size_t(at)]) == doctest::Approx(x[at] / std::sqrt(s)).epsilon(1e-6));
    }
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::normalisations_within>("normalisations within");
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::normalisations_within>("normalisations within", fc::basic_cpu<8>{threads}, 75);
    fc::check_agreement<networks::normalisations_within>("normalisations within", fc::basic_cpu<16>{threads}, 75 + 1);
  }
}
