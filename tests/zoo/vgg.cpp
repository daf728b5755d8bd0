#include "firecaffe/zoo/vgg.hpp"

#include "firecaffe/cpu/device.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::vgg16;

static_assert(fc::parameter_count<net> == 138'357'544);
static_assert(fc::parameter_count<fc::zoo::vgg19> == 143'667'240);

// The paper's table 1: how many convolutions each stage has.
static std::vector<shape> table(std::initializer_list<int> convolutions) {
  std::vector<shape> values{{3, 224, 224}};
  int channels = 64, size = 224;
  for (int times : convolutions) {
    values.insert(values.end(), std::size_t(2 * times), {channels, size, size});  // each with its ReLU
    values.push_back({channels, size /= 2, size});
    channels = channels == 512 ? 512 : 2 * channels;
  }
  values.insert(values.end(), 6, {4096});  // inner product, ReLU, dropout, twice
  values.push_back({1000});
  return values;
}

TEST_CASE("every value has the published shape") {
  CHECK(shapes_of<net>() == table({2, 2, 3, 3, 3}));
  CHECK(shapes_of<fc::zoo::vgg19>() == table({2, 2, 4, 4, 4}));
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  CHECK(fills<net>(filler::xavier, 0, [](const parameter& p) { return p.inputs * p.taps > 1; }));
  CHECK(fills<net>(filler::constant, 0, [](const parameter& p) { return p.inputs * p.taps == 1; }));
  CHECK(multiplies<net>(1, 1, 1, 1));
}

constexpr limits deep{.norm = with_changed_sides.norm, .element = with_changed_sides.element, .share = 0.35};

TEST_CASE("a training step is PyTorch's, and it starts to learn") {
  const torch_step expected("vgg16");
  fc::model<net, fc::cpu> m(fc::cpu{1}, expected.batch, expected.seed);  // one: it is large
  agrees_with_reference(m, expected, deep);
  const auto losses = first_steps(m, 0.001f, 10);
  for (const auto& l : losses) MESSAGE(l[0]);
  CHECK(losses[0][0] == doctest::Approx(loss_of_guessing).epsilon(0.06));
  CHECK(losses[2][0] < losses[0][0]);
}

TEST_CASE("a training step of VGG-19 is PyTorch's, too") { agrees_with_reference<fc::zoo::vgg19>("vgg19", deep); }
