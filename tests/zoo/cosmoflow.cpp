#include "firecaffe/zoo/cosmoflow.hpp"

#include "firecaffe/cpu/device.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;

static_assert(fc::parameter_count<fc::zoo::cosmoflow<>> == 8'907'556);

TEST_CASE("every value has the shape of the layer table") {
  std::vector<shape> expected{{4, 128, 128, 128}};
  for (int stage = 0, channels = 32, side = 128; stage < 5; ++stage, channels *= 2, side /= 2) {
    expected.insert(expected.end(), 2, {channels, side, side, side});  // and its activation
    expected.push_back({channels, side / 2, side / 2, side / 2});
  }
  for (const int n : {128, 128, 64, 64, 4}) expected.push_back({n});
  CHECK(shapes_of<fc::zoo::cosmoflow<>>() == expected);
}

TEST_CASE("a sample of the published size fits in memory") {
  const std::size_t bytes = fc::memory_plan<fc::zoo::cosmoflow<>, fc::cpu>::bytes(1);
  MESSAGE("bytes of a model for one sample: ", bytes);
  CHECK(bytes < 800'000'000);
}

TEST_CASE("a training step is PyTorch's") { agrees_with_reference<fc::zoo::cosmoflow<32>>("cosmoflow32"); }

TEST_CASE("it starts to learn") {
  using net_model = fc::model<fc::zoo::cosmoflow<32>, fc::cpu>;
  net_model m(fc::cpu{1}, 1, 5);
  const std::uint64_t seed = 7;
  INFO("seed ", seed);
  std::vector<float> x(4 * 32 * 32 * 32);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = float(2 * fc::random_unit({seed, 0, 0, fc::random_use::test, 0}, i) - 1);
  const float targets[4] = {0.3f, -0.5f, 0.8f, 0.1f};
  std::vector<double> losses;
  constexpr std::size_t elements = net_model::memory::parameter_elements;
  fc::updater<fc::sgd, fc::cpu> solver(m.device(), m.the_parameters.list, m.the_parameters.count, elements,
                                       {{0, elements, 0}}, 0);
  for (int step = 0; step < 4; ++step) {
    m.load(x.data(), 1);
    m.load_targets(targets);
    const fc::pass now{.training = true, .seed = seed, .step = std::uint32_t(step)};
    m.forward(now);
    losses.push_back(m.results().back());
    MESSAGE("loss ", losses.back());
    m.backward(1.0, now);
    for (int i = 0; i < m.the_parameters.count; ++i) {
      double squares = 0;
      for (float g : m.gradient_values(i)) squares += double(g) * double(g);
      INFO("gradient of ", m.the_parameters.list[i].layer, " ", m.the_parameters.list[i].description.name, " of op ",
           m.the_parameters.list[i].op);
      CHECK(std::isfinite(squares));
      CHECK(squares > 0);
    }
    solver.apply(m.device(), {.momentum = 0.9f}, m.parameters(), m.gradients(), 0, 5e-4, step);
  }
  for (std::size_t i = 1; i < losses.size(); ++i) CHECK(losses[i] < losses[i - 1]);
  CHECK(losses.back() < 0.9 * losses.front());
}
