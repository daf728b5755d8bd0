// computes much: through the plain loops of the oracle
#include "firecaffe/network/model.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/batch_norm.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE("gradients of graphs are those of the forward pass, with slices and with copies") {
  fc::check_gradients<networks::joins>("joins", 8);
  fc::check_gradients<networks::joins, fc::copying_reference>("joins, copying", 4);
  fc::check_gradients<networks::residuals>("residuals", 5);
  fc::check_gradients<networks::normalised_sums>("normalised sums", 5);
  fc::check_gradients<networks::more_normalised_sums>("more normalised sums", 5);
  fc::check_gradients<networks::rectified_pools>("rectified pools", 5);
  fc::check_gradients<networks::slices>("slices", 12);
  fc::check_gradients<networks::heads>("heads", 12);
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::joins>("joins", fc::basic_cpu<8>{threads}, 51);
    fc::check_agreement<networks::residuals>("residuals", fc::basic_cpu<8>{threads}, 57);
    fc::check_agreement<networks::normalised_sums>("normalised sums", fc::basic_cpu<8>{threads}, 62);
    fc::check_agreement<networks::more_normalised_sums>("more normalised sums", fc::basic_cpu<8>{threads}, 63);
    fc::check_agreement<networks::inceptions>("inceptions", fc::basic_cpu<16>{threads}, 52);
    fc::check_agreement<networks::rectified_pools>("rectified pools", fc::basic_cpu<8>{threads}, 64);
    fc::check_agreement<networks::slices>("slices", fc::basic_cpu<8>{threads}, 53);
    fc::check_agreement<networks::heads>("heads", fc::basic_cpu<8>{threads}, 54);
  }
}

TEST_CASE("what cannot be done is refused") {
  struct net : fc::network<fc::input<2>, fc::dense<3>, fc::euclidean_loss> {};
  CHECK_THROWS_AS((fc::model<net, fc::reference>(fc::reference{}, 0)), fc::usage_error);
  fc::model<net, fc::reference> m(fc::reference{}, 2);
  const std::vector<double> x(6);
  CHECK_THROWS_AS(m.load(x.data(), 3), fc::usage_error);
  CHECK_THROWS_AS(m.load(x.data(), -1), fc::usage_error);
  CHECK_THROWS_AS((m.set_parameter<double>(0, std::span(x).first(5))), fc::usage_error);
}

TEST_CASE("backward announces each op when its gradients are complete, last first") {
  struct net : fc::network<fc::input<2>, fc::dense<3>, fc::dense<2>, fc::euclidean_loss> {};
  fc::model<net, fc::reference> m(fc::reference{}, 1);
  const double x[] = {1, 2};
  m.load(x, 1);
  m.load_targets(x);
  m.forward({.training = true});
  std::vector<int> order;
  std::vector<double> first;
  m.backward(1, {.training = true}, false, [&](int op) {
    order.push_back(op);
    if (op == 1) first = m.gradient_values(0);
  });
  CHECK(order == std::vector<int>{2, 1, 0});
  CHECK(first == m.gradient_values(0));
}
