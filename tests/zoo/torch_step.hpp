#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "firecaffe/network/model.hpp"

// What PyTorch makes of one training step: tests/zoo/reference/<name>.txt, written by bench/peers/torch_reference.py,
// which makes weights, images, labels and dropout masks from the same counter-based random numbers.
struct torch_step {
  struct row {
    int place = 0;  // of a parameter, as random numbers count them
    std::size_t elements = 0;
    double norm = 0;       // of its gradient
    double some[16] = {};  // elements of it: number (2 i + 1) elements / 32
  };
  std::uint64_t seed = 0;
  int batch = 0;
  double amplitude = 0;  // of the images' noise
  std::vector<double> losses;
  std::vector<row> rows;

  explicit torch_step(const std::string& name) {
    std::ifstream file(std::string(FIRECAFFE_TEST_FOLDER) + "/zoo/reference/" + name + ".txt");
    REQUIRE_MESSAGE(file.good(), "no reference for ", name);
    std::stringstream text;
    for (std::string line; std::getline(file, line);)
      if (!line.empty() && line[0] != '#') text << line << '\n';
    std::string word;
    std::size_t count = 0;
    text >> word >> seed >> word >> batch >> word >> amplitude >> word >> count;
    losses.resize(count);
    for (double& l : losses) text >> l;
    for (row r; text >> r.place;) {
      text >> r.elements >> r.norm;
      for (double& s : r.some) text >> s;
      REQUIRE(text.good());
      rows.push_back(r);
    }
    REQUIRE(text.eof());
  }
};

// How far gradients may be from the reference: each norm, and elements relative to the root mean square of theirs, of
// which `share` must be within a ten-thousandth. Single precision puts a few activations of millions on the other side
// of zero, or makes another one the maximum of its window, and the gradients below are then off by one pixel's part:
// PyTorch's are, by as much (torch_reference.py --compare). Winograd's algorithm errs more than direct convolutions, so
// that more change sides: it shows in deep stacks. Which do depends on the processor.
// In double precision nothing changes sides, on any processor.
struct limits {
  double norm = 5e-4, element = 0.02, share = 0.75, loss = 1e-5, statistics = 1e-4;
};
constexpr limits exact{.norm = 1e-5, .element = 1e-4, .share = 0.99};  // where none changed sides with AVX or better
constexpr limits with_changed_sides{.norm = 5e-3, .element = 0.05, .share = 0.5};  // on some processors

// One training step. What goes forward is continuous, and compared closely: losses, and means and variances of batch
// normalisation, relative to their root mean square.
template <class Net, class Device>
void agrees_with_reference(firecaffe::model<Net, Device>& m, const torch_step& expected, limits most = {}) {
  using namespace firecaffe;
  using net_model = model<Net, Device>;
  using T = typename Device::scalar;
  std::vector<float> images, targets;
  std::vector<std::int32_t> labels;
  for (int n = 0; n < expected.batch; ++n) {
    const random_key image{expected.seed, 0, std::uint32_t(n), random_use::test, 0};
    const random_key label{expected.seed, 0, std::uint32_t(n), random_use::test, 1};
    for (std::int64_t i = 0; i < m.the_plan.values[0].extents.elements(); ++i)
      images.push_back(float(expected.amplitude * (2 * random_unit(image, std::uint64_t(i)) - 1)));
    if constexpr (net_model::memory::uses_labels)
      labels.push_back(std::int32_t(random_word(label, 0) % std::uint32_t(net_model::memory::classes)));
    for (std::int64_t i = 0; i < net_model::memory::target_shape.elements(); ++i)
      targets.push_back(float(2 * random_unit(label, std::uint64_t(i)) - 1));
  }
  m.load(images.data(), expected.batch);
  if constexpr (net_model::memory::uses_labels) m.load_labels(labels.data());
  if constexpr (net_model::memory::target_shape.elements() > 0) m.load_targets(targets.data());
  const pass now{.training = true, .seed = expected.seed};
  m.forward(now);
  m.backward(1.0 / expected.batch, now);

  std::size_t found = 0;
  const std::vector<double> sums = m.results();
  for (int i = 0; i < m.op_count; ++i)
    if (m.the_plan.ops[i].kind == op_kind::loss) {
      REQUIRE(found < expected.losses.size());
      CHECK(sums[std::size_t(i)] / expected.batch == doctest::Approx(expected.losses[found++]).epsilon(most.loss));
    }
  CHECK(found == expected.losses.size());

  REQUIRE(expected.rows.size() == std::size_t(m.the_parameters.count));
  double worst_norm = 0;
  std::vector<double> offs;
  for (const torch_step::row& r : expected.rows) {
    const int i = m.the_parameters.count - 1 - r.place;
    const placed_parameter& p = m.the_parameters.list[i];
    INFO("gradient of ", std::string(p.layer), " ", std::string(p.description.name), " of op ", p.op, ", parameter ",
         r.place);
    const std::vector<T> gradient = m.gradient_values(i);
    REQUIRE(gradient.size() == r.elements);
    REQUIRE(r.norm > 0);
    double squares = 0;
    for (T g : gradient) squares += double(g) * double(g);
    const double norm_off = std::fabs(std::sqrt(squares) - r.norm) / r.norm;
    CHECK(norm_off < (p.description.learnable() ? most.norm : most.statistics));
    worst_norm = std::max(worst_norm, norm_off);
    for (std::size_t k = 0; k < 16; ++k) {
      const double element = double(gradient[(2 * k + 1) * r.elements / 32]);
      offs.push_back(std::fabs(element - r.some[k]) * std::sqrt(double(r.elements)) / r.norm);
      CHECK(offs.back() < (p.description.learnable() ? most.element : most.statistics));
    }
  }
  std::sort(offs.begin(), offs.end());
  CHECK(offs[std::size_t(double(offs.size()) * most.share)] < 1e-4);
  const auto beyond = offs.end() - std::upper_bound(offs.begin(), offs.end(), 1e-4);
  MESSAGE("norms off by ", worst_norm, "; elements by ", offs[offs.size() / 2], " (median) to ", offs.back(),
          " of the root mean square, ", beyond, " of ", offs.size(), " by more than 0.0001");
}
