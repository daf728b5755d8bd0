// computes much: through the plain loops of the oracle
#include "firecaffe/layers/conv_transpose.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv_transpose.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "oracle.hpp"
#include "volumes.hpp"

namespace fc = firecaffe;

TEST_CASE("output extents") {
  using plain = fc::conv_transpose<4, fc::kernel<3>>;
  CHECK(plain::output({2, 7, 9}) == fc::shape{4, 9, 11});
  CHECK(plain::output({2, 7, 9, 5}) == fc::shape{4, 9, 11, 7});
  using twice = fc::conv_transpose<4, fc::kernel<4>, fc::stride<2>, fc::pad<1>>;
  CHECK(twice::output({2, 7, 9}) == fc::shape{4, 14, 18});
  CHECK(twice::output({2, 7, 9, 3}) == fc::shape{4, 14, 18, 6});
  CHECK(fc::conv_transpose<4, fc::kernel<3, 2>, fc::dilation<2, 3>>::output({2, 7, 9}) == fc::shape{4, 11, 12});
  CHECK(fc::conv_transpose<4, fc::kernel<3>, fc::pad<2>>::check({2, 2, 9}) == fc::fault::bad_option_value);
  CHECK(fc::conv_transpose<4, fc::kernel<3>, fc::groups<3>>::check({6, 2, 9}) == fc::fault::groups_do_not_divide);
  CHECK(fc::conv_transpose<4>::check({6, 2, 9}) == fc::fault::kernel_missing);
  using enlarging = fc::conv_transpose<2, fc::kernel<4>, fc::groups<2>, fc::weight_filler<fc::bilinear>>;
  CHECK(enlarging::check({2, 5, 5}) == fc::fault::none);
  CHECK(enlarging::check({2, 5, 5, 5}) == fc::fault::bad_option_value);
  CHECK(plain::flops({2, 7, 9}) == 2 * 126 * 4 * 9 + 4 * 99);
  const fc::parameter w = fc::conv_transpose<6, fc::kernel<3>, fc::groups<2>>::describe({4, 7, 9}).weight;
  CHECK(w.outputs == 4);
  CHECK(w.inputs == 3);
  CHECK(w.taps == 9);
}

TEST_CASE_TEMPLATE("a transposed convolution by hand", Device, fc::reference, fc::basic_cpu<8>) {
  // x = 1 2 / 3 4, weights 1 10 / 100 1000 and 0 0 / 0 1: every pixel of x is worth a kernel.
  struct net : fc::network<fc::input<1, 2, 2>, fc::conv_transpose<2, fc::kernel<2>>, fc::euclidean_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 1);
  using values = std::vector<double>;
  const double x[] = {1, 2, 3, 4}, w[] = {1, 10, 100, 1000, 0, 0, 0, 1}, b[] = {0.5, -1}, t[18] = {};
  m.template set_parameter<double>(0, w);
  m.template set_parameter<double>(1, b);
  m.load(x, 1);
  m.load_targets(t);
  m.forward({.training = true});
  const auto y = m.output();
  CHECK(values(y.begin(), y.end()) == values{1.5, 12.5, 20.5, 103.5, 1234.5, 2040.5, 300.5, 3400.5, 4000.5,  //
                                             -1, -1, -1, -1, 0, 1, -1, 2, 3});
  m.backward(1, {.training = true});
  const auto dw = m.gradient_values(0), db = m.gradient_values(1), dx = m.gradient(0);
  CHECK(dw[7] == 0 * 1 + 1 * 2 + 2 * 3 + 3 * 4);
  CHECK(dw[0] == 1.5f * 1 + 12.5f * 2 + 103.5f * 3 + 1234.5f * 4);
  CHECK(db[1] == 1);
  CHECK(dx[0] == 1.5f * 1 + 12.5f * 10 + 103.5f * 100 + 1234.5f * 1000);
}

TEST_CASE("bilinear weights enlarge a plane") {
  // By two: inner pixels lie a quarter from one input and three quarters from the next.
  struct net
      : fc::network<fc::input<3, 1, 4>, fc::conv_transpose<3, fc::kernel<4>, fc::stride<2>, fc::pad<1>, fc::groups<3>,
                                                           fc::no_bias, fc::weight_filler<fc::bilinear>>> {};
  fc::model<net, fc::cpu, fc::plan_options{false}> m(fc::cpu{1}, 1);
  const float x[12] = {0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0};
  m.load(x, 1);
  m.forward({});
  const auto y = m.output();
  REQUIRE(y.size() == 48);
  for (int w = 1; w < 7; ++w) CHECK(y[std::size_t(w)] == doctest::Approx(0.75 * (2 * w - 1)));
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::transposed>("planes", 3);
  fc::check_gradients<networks::transposed_volumes>("volumes", 3);
}

template <class Device>
void check_transposed(Device device) {
  fc::check_agreement<networks::transposed>("planes", device, 41);
  fc::check_agreement<networks::transposed_volumes>("volumes", device, 42);
}

TEST_CASE("the cpu agrees with the reference") {
  check_transposed(fc::basic_cpu<8>{2});
  check_transposed(fc::basic_cpu<16>{1});
}
