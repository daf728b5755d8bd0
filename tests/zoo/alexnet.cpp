#include "firecaffe/zoo/alexnet.hpp"

#include "firecaffe/cpu/lrn.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::bvlc_alexnet;

static_assert(fc::parameter_count<net> == 60'965'224);
static_assert(fc::parameter_count<fc::zoo::alexnet> == 62'378'344);

TEST_CASE("every value has the published shape") {
  std::vector<shape> expected{{3, 227, 227}};
  auto add = [&](int channels, int size, int times) {
    expected.insert(expected.end(), std::size_t(times), {channels, size, size});
  };
  add(96, 55, 3);  // convolution, ReLU, norm
  add(96, 27, 1);
  add(256, 27, 3);
  add(256, 13, 1);
  add(384, 13, 2);
  add(384, 13, 2);
  add(256, 13, 2);
  add(256, 6, 1);
  add(4096, 1, 3);  // inner product, ReLU, dropout
  add(4096, 1, 3);
  add(1000, 1, 1);
  CHECK(shapes_of<net>() == expected);
  CHECK(shapes_of<fc::zoo::alexnet>() == expected);
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  auto weight = [](const parameter& p) { return p.inputs * p.taps > 1; };
  auto hidden = [](const parameter& p) { return p.outputs == 4096; };
  auto starts_at_zero = [](const parameter& p) { return p.outputs == 96 || p.outputs == 1000; };
  CHECK(fills<net>(filler::gaussian, 0.01, [&](const parameter& p) { return weight(p) && !hidden(p); }));
  CHECK(fills<net>(filler::gaussian, 0.005, [&](const parameter& p) { return weight(p) && hidden(p); }));
  CHECK(fills<net>(filler::constant, 0, [&](const parameter& p) { return !weight(p) && starts_at_zero(p); }));
  // Of 384 outputs there are two: conv3 starts at 0, conv4 at 0.1.
  CHECK(fills<net>(filler::constant, 0.1,
                   [&](const parameter& p) { return !weight(p) && !starts_at_zero(p) && p.outputs != 384; }));
  std::vector<double> middle;
  const auto& parameters = fc::parameters_of<net, fc::cpu>;
  for (int i = parameters.count - 1; i >= 0; --i) {
    const parameter& p = parameters.list[i].description;
    if (p.outputs == 384 && !weight(p)) middle.push_back(p.settings.fill.first);
  }
  CHECK(middle == std::vector<double>{0, 0.1});
}

TEST_CASE("biases learn twice as fast as weights and do not decay") { CHECK(multiplies<net>(1, 1, 2, 0)); }

TEST_CASE("a training step is PyTorch's, and it starts to learn") {
  const torch_step expected("bvlc_alexnet");
  fc::model<net, fc::cpu> m(fc::cpu{1}, expected.batch, expected.seed);  // one: it is large
  agrees_with_reference(m, expected, exact);
  const auto losses = first_steps(m, 0.01f, 100);
  for (const auto& l : losses) MESSAGE(l[0]);
  CHECK(losses[0][0] == doctest::Approx(loss_of_guessing).epsilon(0.06));
  CHECK(losses[2][0] < losses[0][0]);
}

TEST_CASE("so it is without groups") { agrees_with_reference<fc::zoo::alexnet>("alexnet"); }
