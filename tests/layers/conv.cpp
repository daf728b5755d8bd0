// computes much: through the plain loops of the oracle
#include "firecaffe/layers/conv.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/conv_transpose.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"
#include "volumes.hpp"

namespace fc = firecaffe;

TEST_CASE("output extents") {
  using plain = fc::conv<4, fc::kernel<3>>;
  CHECK(plain::output({2, 7, 9}) == fc::shape{4, 5, 7});
  CHECK(fc::conv<4, fc::kernel<3>, fc::stride<2>, fc::pad<1>>::output({2, 8, 7}) == fc::shape{4, 4, 4});
  CHECK(fc::conv<4, fc::kernel<3, 5>, fc::dilation<2, 1>>::output({2, 7, 9}) == fc::shape{4, 3, 5});
  CHECK(plain::check({2, 2, 9}) == fc::fault::window_exceeds_input);
  CHECK(plain::flops({2, 7, 9}) == 4 * 35 * (2 * 18 + 1));
}

TEST_CASE("what one, two and three extents mean") {
  const fc::shape plane{2, 7, 9}, volume{2, 7, 9, 6};
  using one = fc::conv<4, fc::kernel<3>, fc::stride<2>, fc::pad<1>, fc::dilation<2>>;
  CHECK(one::slide(plane) == fc::window{3, 3, 2, 2, 1, 1, 2, 2});
  CHECK(one::slide(volume) == fc::window{3, 3, 2, 2, 1, 1, 2, 2, 3, 2, 1, 2});
  using two = fc::conv<4, fc::kernel<3, 2>, fc::stride<2, 1>, fc::pad<1, 0>, fc::dilation<2, 3>>;
  CHECK(two::slide(plane) == fc::window{3, 2, 2, 1, 1, 0, 2, 3});
  CHECK(two::slide(volume) == two::slide(plane));
  using three = fc::conv<4, fc::kernel<5, 3, 2>, fc::stride<3, 2, 1>, fc::pad<2, 1, 0>, fc::dilation<1, 2, 3>>;
  CHECK(three::slide(plane) == fc::window{3, 2, 2, 1, 1, 0, 2, 3, 5, 3, 2, 1});
  CHECK(three::slide(volume) == three::slide(plane));
  CHECK(three::output(plane) == fc::shape{4, 3, 6, 1});
  CHECK(three::output(volume) == fc::shape{4, 3, 6, 2});
  CHECK(one::output(volume) == fc::shape{4, 3, 4, 2});
  CHECK(one::check({2, 7, 9, 2}) == fc::fault::window_exceeds_input);
  CHECK(three::check({2, 7, 9, 0}) == fc::fault::window_exceeds_input);
  CHECK(one::describe(volume).weight.taps == 27);
  CHECK(three::describe(plane).weight.taps == 30);
  CHECK(one::flops(volume) == 4 * 24 * (2 * 54 + 1));
  CHECK(fc::input<2, 6, 7, 9>::extents == volume);
  CHECK(fc::input<2, 7, 9>::extents == plane);
  CHECK(fc::input<2>::extents == fc::shape{2});
}

TEST_CASE("a convolution by hand") {
  // x = 1 2 3 / 4 5 6 / 7 8 9, weights 1 10 / 100 1000, stride 2, padding 1: corners of the padded plane.
  struct net
      : fc::network<fc::input<1, 3, 3>, fc::conv<1, fc::kernel<2>, fc::stride<2>, fc::pad<1>>, fc::euclidean_loss> {};
  fc::model<net, fc::reference> m(fc::reference{}, 1);
  const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, 10, 100, 1000}, b[] = {0.5}, t[4] = {};
  m.set_parameter<double>(0, w);
  m.set_parameter<double>(1, b);
  m.load(x, 1);
  m.load_targets(t);
  m.forward({.training = true});
  CHECK(m.output() == std::vector<double>{1000.5, 3200.5, 7040.5, 9865.5});
  m.backward(1, {.training = true});
  // dw[0, 0] touches x only in the last window, at 5; the bias sees every error.
  CHECK(m.gradient_values(0)[0] == doctest::Approx(9865.5 * 5));
  CHECK(m.gradient_values(1)[0] == doctest::Approx(1000.5 + 3200.5 + 7040.5 + 9865.5));
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::convolutions>("convolutions");
  fc::check_gradients<networks::narrow_convolutions>("narrow convolutions");
  fc::check_gradients<networks::volume_convolutions>("volumes", 2);
  fc::check_gradients<networks::plane_and_volume>("plane and volume", 5);
  fc::check_gradients<networks::signals>("signals", 3);
  using grouped = fc::conv<4, fc::kernel<3, 2>, fc::stride<2, 1>, fc::pad<1>, fc::groups<2>, fc::dilation<1, 2>>;
  fc::check_report("one layer", fc::gradient_check<grouped, fc::input<4, 6, 5>, fc::reference>());
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::convolutions>("convolutions", fc::basic_cpu<8>{threads}, 21);
    fc::check_agreement<networks::narrow_convolutions>("narrow convolutions", fc::basic_cpu<8>{threads}, 22);
  }
  fc::check_agreement<networks::wide_convolutions>("wide convolutions", fc::basic_cpu<16>{2}, 23);
}

TEST_CASE("Winograd's algorithm is for wide 3 x 3 convolutions in blocks of 16") {
  const fc::layout blocked = fc::blocked_layout({64, 28, 28}, 16);
  const fc::onednn_geometry wide{
      16, 1, {64, 28, 28}, {64, 28, 28}, blocked, blocked, {.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1}};
  CHECK(fc::suits_winograd(wide));
  auto other = [&](auto change) {
    fc::onednn_geometry g = wide;
    change(g);
    return fc::suits_winograd(g);
  };
  CHECK_FALSE(other([](auto& g) { g.block = 8; }));
  CHECK_FALSE(other([](auto& g) { g.groups = 2; }));
  CHECK_FALSE(other([](auto& g) { g.slide.stride_w = 2; }));
  CHECK_FALSE(other([](auto& g) { g.slide.dilation_h = 2; }));
  CHECK_FALSE(other([](auto& g) { g.slide.kernel_h = 5; }));
  CHECK_FALSE(other([](auto& g) { g.in.depth = 2; }));
}

template <class Device>
void check_volumes(Device device) {
  fc::check_agreement<networks::volume_convolutions>("volumes", device, 23);
  fc::check_agreement<networks::plane_and_volume>("plane and volume", device, 24);
  fc::check_agreement<networks::signals>("signals", device, 25);
}

TEST_CASE("the cpu agrees over volumes and signals") {
  check_volumes(fc::basic_cpu<8>{1});
  check_volumes(fc::basic_cpu<16>{2});
}
