#include "firecaffe/zoo/resnet.hpp"

#include "firecaffe/cpu/batch_norm.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::resnet50;

static_assert(fc::parameter_count<net> == 25'557'032);

// The paper's table 1.
TEST_CASE("every value has the published shape") {
  std::vector<shape> expected{{3, 224, 224}};
  auto add = [&](int channels, int size, int times) {
    expected.insert(expected.end(), std::size_t(times), {channels, size, size});
  };
  add(64, 112, 3);  // convolution, norm, ReLU
  add(64, 56, 1);
  const int blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage)
    for (int block = 0; block < blocks[stage]; ++block) {
      add(64 << stage, 56 >> stage, 6);
      add(256 << stage, 56 >> stage, 2 + (block == 0 ? 2 : 0) + 2);  // back, shortcut, sum and ReLU
    }
  add(2048, 1, 1);
  add(1000, 1, 1);
  CHECK(shapes_of<net>() == expected);
}

TEST_CASE("a training step is PyTorch's") {
  agrees_with_reference<net>("resnet50", {.norm = 0.02, .element = 0.3, .share = 0.4});
}

TEST_CASE("it starts to learn") {
  const auto losses = first_steps<net>(0.001f, 100);
  for (const auto& l : losses) MESSAGE(l[0]);
  CHECK(losses[0][0] == doctest::Approx(loss_of_guessing).epsilon(0.3));
  CHECK(losses[2][0] < losses[0][0]);
}
