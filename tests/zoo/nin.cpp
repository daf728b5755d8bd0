#include "firecaffe/zoo/nin.hpp"

#include "firecaffe/cpu/device.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::nin;

static_assert(fc::parameter_count<net> == 7'595'176);

TEST_CASE("every value has the published shape") {
  std::vector<shape> expected{{3, 224, 224}};
  auto convolutions = [&](std::initializer_list<int> channels, int size) {
    for (int c : channels) expected.insert(expected.end(), 2, {c, size, size});  // and its ReLU
  };
  convolutions({96, 96, 96}, 54);
  expected.push_back({96, 27, 27});
  convolutions({256, 256, 256}, 27);
  expected.push_back({256, 13, 13});
  convolutions({384, 384, 384}, 13);
  expected.insert(expected.end(), 2, {384, 6, 6});  // pool, dropout
  convolutions({1024, 1024, 1000}, 6);
  expected.push_back({1000, 1, 1});
  CHECK(shapes_of<net>() == expected);
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  CHECK(fills<net>(filler::constant, 0, [](const parameter& p) { return p.inputs * p.taps == 1; }));
  CHECK(fills<net>(filler::gaussian, 0.01, [](const parameter& p) { return p.taps == 121; }));
  CHECK(fills<net>(filler::gaussian, 0.05, [](const parameter& p) { return p.taps == 25; }));
  CHECK(fills<net>(filler::gaussian, 0.01, [](const parameter& p) { return p.taps == 9 && p.outputs == 384; }));
  CHECK(fills<net>(filler::gaussian, 0.05, [](const parameter& p) { return p.taps == 9 && p.outputs == 1024; }));
  CHECK(fills<net>(filler::gaussian, 0.01, [](const parameter& p) { return p.outputs == 1000 && p.inputs > 1; }));
  CHECK(fills<net>(filler::gaussian, 0.05,
                   [](const parameter& p) { return p.taps == 1 && p.inputs > 1 && p.outputs != 1000; }));
}

TEST_CASE("biases learn twice as fast as weights and do not decay") { CHECK(multiplies<net>(1, 1, 2, 0)); }

TEST_CASE("it starts to learn") {
  const auto losses = first_steps<net>(0.001f, 100);
  for (const auto& l : losses) MESSAGE(l[0]);
  CHECK(losses[0][0] == doctest::Approx(loss_of_guessing).epsilon(0.03));
  CHECK(losses[2][0] < losses[0][0]);
}

TEST_CASE("a training step is PyTorch's") { agrees_with_reference<net>("nin", exact); }
