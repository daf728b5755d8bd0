#include "firecaffe/layers/channelwise.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/channelwise.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

// Two samples of two channels with two pixels, targets 0: dy = y.
template <class Layer, class Device>
struct by_hand {
  struct net : fc::network<fc::input<2, 1, 2>, Layer, fc::euclidean_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m{Device{}, 2};
  std::vector<double> output;

  explicit by_hand(std::vector<std::vector<double>> parameters) {
    const double x[] = {1, -2, 3, -4, 5, 0, -7, 8}, targets[8] = {};
    for (std::size_t i = 0; i < parameters.size(); ++i) m.template set_parameter<double>(int(i), parameters[i]);
    m.load(x, 2);
    m.load_targets(targets);
    m.forward({.training = true});
    output = doubles(m.output());
    m.backward(1, {.training = true});
  }
  template <class T>
  static std::vector<double> doubles(const std::vector<T>& v) {
    return {v.begin(), v.end()};
  }
  std::vector<double> gradient() { return doubles(m.gradient(0)); }
  std::vector<double> gradient_of(int i) { return doubles(m.gradient_values(i)); }
};

TEST_CASE_TEMPLATE("by hand", Device, fc::reference, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  using values = std::vector<double>;
  by_hand<fc::scale<fc::with_bias>, Device> a({{2, -1}, {1, 10}});
  CHECK(a.output == values{3, -3, 7, 14, 11, 1, 17, 2});
  CHECK(a.gradient() == values{6, -6, -7, -14, 22, 2, -17, -2});
  CHECK(a.gradient_of(0) == values{3 + 6 + 55, 21 - 56 - 119 + 16});
  CHECK(a.gradient_of(1) == values{12, 40});
  by_hand<fc::bias<>, Device> b({std::vector<double>{1, 10}});
  CHECK(b.output == values{2, -1, 13, 6, 6, 1, 3, 18});
  CHECK(b.gradient() == b.output);
  CHECK(b.gradient_of(0) == values{8, 40});
  by_hand<fc::prelu<>, Device> c({std::vector<double>{0.5, 2}});
  CHECK(c.output == values{1, -1, 3, -8, 5, 0, -14, 8});
  CHECK(c.gradient() == values{1, -0.5, 3, -16, 5, 0, -28, 8});
  CHECK(c.gradient_of(0) == values{2, 32 + 98});
  by_hand<fc::prelu<fc::shared_slope>, Device> d({std::vector<double>{0.5}});
  CHECK(d.output == values{1, -1, 3, -2, 5, 0, -3.5, 8});
  CHECK(d.gradient_of(0) == values{2 + 8 + 24.5});
}

TEST_CASE("options and parameters") {
  struct net : fc::network<fc::input<6>, fc::prelu<>, fc::prelu<fc::shared_slope>, fc::scale<>, fc::bias<>,
                           fc::scale<fc::with_bias, fc::weight_decay_mult<fc::ratio<0>>>, fc::euclidean_loss> {};
  static_assert(fc::parameter_count<net> == 6 + 1 + 6 + 6 + 12);
  fc::model<net, fc::reference> m(fc::reference{}, 1);
  const double first[] = {1, 0, 0, 1, 0.25, 0.25};  // the last layer's come first
  REQUIRE(m.the_parameters.count == 6);
  for (int i = 0; i < 6; ++i) CHECK(m.parameter_values(i) == std::vector<double>(i == 4 ? 1 : 6, first[i]));
  CHECK(m.the_parameters.list[0].description.settings.decay_mult == 0);
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::channelwise_layers>("channelwise layers");
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::channelwise_layers>("channelwise layers", fc::basic_cpu<8>{threads}, 61);
    fc::check_agreement<networks::channelwise_layers>("channelwise layers", fc::basic_cpu<16>{threads}, 62);
  }
}
