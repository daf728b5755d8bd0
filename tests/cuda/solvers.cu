#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../reference_layers.hpp"
#include "firecaffe/cuda.hpp"
#include "firecaffe/train/updater.hpp"

namespace fc = firecaffe;
using namespace firecaffe;

namespace {

// Ten updates of a matrix of 70,000 elements, a bias, a small matrix with its own multipliers and a running mean.
template <class Solver, class Device>
std::vector<double> weights_after(const Solver& solver, double clip) {
  using T = typename Device::scalar;
  Device device = Device::for_rank(0, 1, 1);
  std::vector<placed_parameter> placed(4);
  placed[0].description = {"matrix", 280, 250, 1, {}};
  placed[1].description = {"bias", 281, 1, 1, {}};
  placed[2].description = {"small", 7, 5, 1, {{}, 2, 0.5f}};
  placed[3].description = {"mean", 9, 1, 1, {}, 0.25f};
  std::size_t elements = 0;
  for (placed_parameter& p : placed) {
    p.stored.extent = std::size_t(p.description.elements()), p.offset = elements;
    elements += round_up(p.stored.extent, 32);
  }
  std::vector<T> host(elements);
  const auto randomise = [&](std::uint32_t part) {
    for (const placed_parameter& p : placed)
      for (std::size_t i = 0; i < p.stored.extent; ++i)
        host[p.offset + i] = T(float(2 * random_unit({17, 0, 0, random_use::test, part}, p.offset + i) - 1));
  };
  auto weights = device.template allocate<T>(elements);
  auto gradients = device.template allocate<T>(elements);
  const std::vector<bucket> buckets{{0, placed[1].offset, 1}, {placed[1].offset, elements, 0}};
  updater<Solver, Device> update(device, placed.data(), int(placed.size()), elements, buckets, clip);
  randomise(0);
  device.upload(weights.data(), host.data(), elements);
  for (int step = 0; step < 10; ++step) {
    randomise(std::uint32_t(step) + 1);
    device.upload(gradients.data(), host.data(), elements);
    for (std::size_t b = 0; b < buckets.size(); ++b)
      update.apply(device, solver, weights.data(), gradients.data(), b, 0.1 / (1 + step), step);
  }
  device.download(host.data(), weights.data(), elements);
  return {host.begin(), host.end()};
}

}  // namespace

TEST_CASE_TEMPLATE("solvers agree with the reference", Solver, sgd, nesterov, adagrad, rmsprop, adadelta, adam, adamw,
                   lars, lamb) {
  Solver solver;
  solver.weight_decay = 0.05f;
  if constexpr (requires { solver.epsilon; }) solver.epsilon = 1e-2f;  // or quotients of small numbers have no digits
  for (const double clip : {0.0, 20.0}) {                              // the gradients' norm is about 150
    CAPTURE(Solver::name);
    CAPTURE(clip);
    const std::vector<double> expected = weights_after<Solver, reference>(solver, clip),
                              got = weights_after<Solver, fc::cuda>(solver, clip);
    REQUIRE(got.size() == expected.size());
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) worst = std::fmax(worst, std::fabs(got[i] - expected[i]));
    CHECK(worst < 1e-5);
    CHECK(got == weights_after<Solver, fc::cuda>(solver, clip));
  }
}
