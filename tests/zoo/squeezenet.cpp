#include "firecaffe/zoo/squeezenet.hpp"

#include "firecaffe/cpu/device.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::squeezenet;

static_assert(fc::parameter_count<net> == 1'248'424);

TEST_CASE("every value has the published shape") {
  std::vector<shape> expected{{3, 227, 227}};
  auto add = [&](int channels, int size, int times = 1) {
    expected.insert(expected.end(), std::size_t(times), {channels, size, size});
  };
  auto fire = [&](int squeeze, int expand, int size) {
    for (int c : {squeeze, expand, expand}) add(c, size, 2);  // and its ReLU
    add(2 * expand, size);
  };
  add(96, 111, 2);
  add(96, 55);
  fire(16, 64, 55), fire(16, 64, 55), fire(32, 128, 55);
  add(256, 27);
  fire(32, 128, 27), fire(48, 192, 27), fire(48, 192, 27), fire(64, 256, 27);
  add(512, 13);
  fire(64, 256, 13);
  add(512, 13);  // dropout
  add(1000, 13, 2);
  add(1000, 1);
  CHECK(shapes_of<net>() == expected);
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  auto weight = [](const parameter& p) { return p.inputs * p.taps > 1; };
  CHECK(fills<net>(filler::xavier, 0, [&](const parameter& p) { return weight(p) && p.outputs != 1000; }));
  CHECK(fills<net>(filler::gaussian, 0.01, [&](const parameter& p) { return weight(p) && p.outputs == 1000; }));
  CHECK(fills<net>(filler::constant, 0, [&](const parameter& p) { return !weight(p); }));
  CHECK(multiplies<net>(1, 1, 1, 1));
}

TEST_CASE("a training step is PyTorch's") { agrees_with_reference<net>("squeezenet", with_changed_sides); }

TEST_CASE("it starts to learn") {
  const auto losses = first_steps<net>(0.01f, 100);
  for (const auto& l : losses) MESSAGE(l[0]);
  CHECK(losses[0][0] == doctest::Approx(loss_of_guessing).epsilon(0.03));
  CHECK(losses[2][0] < losses[0][0]);
}
