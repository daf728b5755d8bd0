#include "firecaffe/layers/softmax.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE_TEMPLATE("by hand, and without overflow", Device, fc::reference, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  struct net : fc::network<fc::input<5, 1, 2>, fc::softmax, fc::euclidean_loss> {};
  fc::model<net, Device> m(Device{}, 2);
  const double x[] = {0, 1e4, 0, 1e4, 0, -1e4, 0, 0, 0, -3e4, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5};
  m.load(x, 2);
  m.forward({.training = false});
  const auto y = m.output();
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t p = 0; p < 2; ++p) {
      double sum = 0, top = -1e9;
      for (std::size_t c = 0; c < 5; ++c) top = std::fmax(top, x[10 * n + 2 * c + p]);
      for (std::size_t c = 0; c < 5; ++c) sum += std::exp(x[10 * n + 2 * c + p] - top);
      for (std::size_t c = 0; c < 5; ++c)
        CHECK(double(y[10 * n + 2 * c + p]) ==
              doctest::Approx(std::exp(x[10 * n + 2 * c + p] - top) / sum).epsilon(1e-6));
    }
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_report("one", fc::gradient_check<fc::softmax, fc::input<7, 2, 3>, fc::reference>());
  // One behind the other they leave little of a gradient, and nothing that has kinks.
  fc::check_report("softmaxes", fc::gradient_check<networks::softmaxes, fc::reference>(
                                    {.seed = 11, .samples_per_parameter = 25, .kink = 1e-4}));
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::softmaxes>("softmaxes", fc::basic_cpu<8>{threads}, 73);
    fc::check_agreement<networks::softmaxes>("softmaxes", fc::basic_cpu<16>{threads}, 73 + 1);
  }
}
