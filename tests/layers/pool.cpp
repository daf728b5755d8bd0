// computes much: through the plain loops of the oracle
#include "firecaffe/layers/pool.hpp"

#include <limits>

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"
#include "volumes.hpp"

namespace fc = firecaffe;

TEST_CASE("output extents follow Caffe") {
  using floor = fc::max_pool<fc::kernel<3>, fc::stride<2>>;
  using ceil = fc::max_pool<fc::kernel<3>, fc::stride<2>, fc::ceil_mode>;
  CHECK(floor::output({5, 8, 7}) == fc::shape{5, 3, 3});
  CHECK(ceil::output({5, 8, 7}) == fc::shape{5, 4, 3});
  CHECK(fc::avg_pool<fc::global>::output({5, 8, 7}) == fc::shape{5, 1, 1});
  CHECK(floor::output({5, 8, 7, 5}) == fc::shape{5, 3, 3, 2});
  CHECK(ceil::output({5, 8, 7, 6}) == fc::shape{5, 4, 3, 3});
  CHECK(fc::max_pool<fc::kernel<3, 2>, fc::stride<2>>::output({5, 8, 7, 5}) == fc::shape{5, 3, 3, 3});
  CHECK(fc::avg_pool<fc::global>::output({5, 8, 7, 6}) == fc::shape{5, 1, 1});
  CHECK(fc::max_pool<fc::kernel<2>, fc::pad<2, 0, 0>>::check({1, 9, 9, 9}) == fc::fault::padding_not_below_kernel);
  CHECK(fc::max_pool<fc::kernel<3>>::check({1, 9, 9, 2}) == fc::fault::window_exceeds_input);
  // 0, 3 and 6 are where its windows begin.
  CHECK(fc::max_pool<fc::kernel<1>, fc::stride<3>, fc::ceil_mode>::check({1, 5, 7}) == fc::fault::window_without_input);
  CHECK(fc::max_pool<fc::kernel<1>, fc::stride<3>, fc::ceil_mode>::check({1, 7, 7}) == fc::fault::none);
  // A last window that would start in the lower padding is dropped.
  CHECK(fc::max_pool<fc::kernel<2>, fc::stride<2>, fc::pad<1>, fc::ceil_mode>::output({1, 3, 4}) == fc::shape{1, 2, 3});
  CHECK(fc::max_pool<fc::kernel<2>, fc::pad<2>>::check({1, 9, 9}) == fc::fault::padding_not_below_kernel);
}

template <class Pool, class Device>
std::vector<double> pooled(const std::vector<double>& x, std::vector<double>* gradient = nullptr, double target = 0) {
  struct net : fc::network<fc::input<1, 3, 3>, Pool, fc::euclidean_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 1);
  const std::vector<double> targets(16, target);
  m.load(x.data(), 1);
  m.load_targets(targets.data());
  m.forward({.training = true});
  const auto y = m.output();
  m.backward(1, {.training = true});
  const auto dx = m.gradient(0);
  if (gradient) gradient->assign(dx.begin(), dx.end());
  return {y.begin(), y.end()};
}

TEST_CASE_TEMPLATE("pooling by hand", Device, fc::reference, fc::basic_cpu<8>) {
  using values = std::vector<double>;
  values dx;
  // Windows that hang over: the mean counts the padding inside the padded plane, not what lies beyond.
  using hanging = fc::avg_pool<fc::kernel<2>, fc::stride<2>, fc::ceil_mode>;
  CHECK(pooled<hanging, Device>({2, 4, 6, 8, 10, 12, 14, 16, 18}) == values{6, 9, 15, 18});
  using padded = fc::avg_pool<fc::kernel<2>, fc::stride<2>, fc::pad<1>>;
  CHECK(pooled<padded, Device>({4, 8, 12, 16, 20, 24, 28, 32, 36}) == values{1, 5, 11, 28});
  // Padding never wins, and the first of equals takes the gradient.
  using maximum = fc::max_pool<fc::kernel<2>, fc::stride<2>, fc::pad<1>>;
  CHECK(pooled<maximum, Device>({-1, -2, -2, -4, -3, -5, -4, -3, -7}, &dx) == values{-1, -2, -4, -3});
  CHECK(dx == values{-1, -2, 0, -4, -3, 0, 0, 0, 0});
  // Behind a ReLU no gradient goes to a maximum of zero.
  CHECK(pooled<fc::chain<fc::relu, maximum>, Device>({0, -1, -2, -4, -3, -5, -4, -3, 5}, &dx, 1) == values{0, 0, 0, 5});
  CHECK(dx == values{0, 0, 0, 0, 0, 0, 0, 0, 4});
  // Of what is no number a ReLU makes zero.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(pooled<fc::chain<fc::relu, maximum>, Device>({nan, nan, 2, -4, nan, 5, nan, -3, nan}) == values{0, 2, 0, 5});
}

TEST_CASE_TEMPLATE("pooling a volume by hand", Device, fc::reference, fc::basic_cpu<8>) {
  // Two slabs of 1 x 3 pixels; windows of 2 x 1 x 2, padded below and above, and one that hangs over at the right.
  struct net : fc::network<fc::input<1, 2, 1, 3>,
                           fc::avg_pool<fc::kernel<2, 1, 2>, fc::stride<2>, fc::pad<1, 0, 0>, fc::ceil_mode>,
                           fc::euclidean_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 1);
  const double x[] = {2, 4, 6, 8, 10, 12}, targets[4] = {};
  m.load(x, 1);
  m.load_targets(targets);
  m.forward({.training = true});
  const auto y = m.output();
  CHECK(std::vector<double>(y.begin(), y.end()) == std::vector<double>{1.5, 3, 4.5, 6});
  m.backward(1, {.training = true});
  const auto dx = m.gradient(0);
  CHECK(std::vector<double>(dx.begin(), dx.end()) == std::vector<double>{0.375, 0.375, 1.5, 1.125, 1.125, 3});
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::pools>("pools");
  fc::check_gradients<networks::pools_in_a_row>("pools in a row");
  fc::check_gradients<networks::volume_pools>("volumes", 2);
  fc::check_gradients<networks::volume_pools_in_a_row>("volumes in a row", 3);
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::pools>("pools", fc::basic_cpu<8>{threads}, 31);
    fc::check_agreement<networks::pools_in_a_row>("pools in a row", fc::basic_cpu<16>{threads}, 32);
    fc::check_agreement<networks::wide_pools>("wide pools", fc::basic_cpu<8>{threads}, 35);
  }
}

TEST_CASE("the cpu agrees over volumes") {
  fc::check_agreement<networks::volume_pools>("volumes", fc::basic_cpu<8>{2}, 33);
  fc::check_agreement<networks::volume_pools_in_a_row>("volumes in a row", fc::basic_cpu<16>{1}, 34);
}
