#include "firecaffe/layers/hinge_loss.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

template <class Loss, class Device>
double loss_and_slopes(const double (&x)[6], std::vector<double>& slopes) {
  struct net : fc::network<fc::input<3>, Loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 2);
  const std::int32_t labels[] = {1, 0};
  m.load(x, 2);
  m.load_labels(labels);
  m.forward({.training = true});
  const double loss = m.results()[0];
  m.backward(0.5, {.training = true});
  const auto dx = m.gradient(0);
  slopes.assign(dx.begin(), dx.end());
  return loss;
}

TEST_CASE_TEMPLATE("by hand", Device, fc::reference, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  // Margins 1.5, 0.5, -1; 3, -1, 1.25.
  const double x[] = {0.5, 0.5, -2, -2, -2, 0.25};
  std::vector<double> dx;
  CHECK(loss_and_slopes<fc::hinge_loss<>, Device>(x, dx) == 1.5 + 0.5 + 3 + 1.25);
  CHECK(dx == std::vector<double>{0.5, -0.5, 0, -0.5, 0, 0.5});
  CHECK(loss_and_slopes<fc::hinge_loss<fc::squared>, Device>(x, dx) == 2.25 + 0.25 + 9 + 1.5625);
  CHECK(dx == std::vector<double>{1.5, -0.5, 0, -3, 0, 1.25});
}

TEST_CASE("gradients are those of the forward pass") { fc::check_gradients<networks::hinges>("hinges"); }

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::hinges>("hinges", fc::basic_cpu<8>{threads}, 77);
    fc::check_agreement<networks::hinges>("hinges", fc::basic_cpu<16>{threads}, 77 + 1);
  }
}
