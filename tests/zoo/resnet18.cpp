// Apart from resnet.cpp, as both together take long to compile.
#include "firecaffe/cpu/batch_norm.hpp"
#include "firecaffe/zoo/resnet.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::resnet18;

static_assert(fc::parameter_count<net> == 11'689'512);

// The paper's table 1.
TEST_CASE("every value has the published shape") {
  std::vector<shape> expected{{3, 224, 224}};
  auto add = [&](int channels, int size, int times) {
    expected.insert(expected.end(), std::size_t(times), {channels, size, size});
  };
  add(64, 112, 3);  // convolution, norm, ReLU
  add(64, 56, 1);
  for (int stage = 0; stage < 4; ++stage)
    for (int block = 0; block < 2; ++block) {
      const bool projects = stage > 0 && block == 0;
      add(64 << stage, 56 >> stage, 5 + (projects ? 2 : 0) + 2);  // path, shortcut, sum and ReLU
    }
  add(512, 1, 1);
  add(1000, 1, 1);
  CHECK(shapes_of<net>() == expected);
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  CHECK(fills<net>(filler::msra, 0, [](const parameter& p) { return p.inputs * p.taps > 1; }));
  CHECK(fills<net>(filler::constant, 1,
                   [](const parameter& p) { return p.learnable() && p.name[0] == 'w' && p.inputs * p.taps == 1; }));
  CHECK(fills<net>(filler::constant, 0, [](const parameter& p) { return p.learnable() && p.name[0] == 'b'; }));
}

TEST_CASE("a training step is PyTorch's") {
  agrees_with_reference<net>("resnet18", {.norm = 0.01, .element = 0.1, .share = 0.4});
}

TEST_CASE("it starts to learn") {
  const auto losses = first_steps<net>(0.001f, 100);
  for (const auto& l : losses) MESSAGE(l[0]);
  CHECK(losses[0][0] == doctest::Approx(loss_of_guessing).epsilon(0.3));
  CHECK(losses[2][0] < losses[0][0]);
}
