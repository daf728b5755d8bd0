#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/device.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "firecaffe/network/model.hpp"
#include "firecaffe/solvers/sgd.hpp"
#include "firecaffe/train/updater.hpp"

// Losses of a network that has learnt nothing: with small scores every class is as likely as any other.
inline const double loss_of_guessing = std::log(1000.0);

// The values of a network's graph, input first, op by op, before any device fuses or slices.
template <class Net>
std::vector<firecaffe::shape> shapes_of() {
  const auto& g = firecaffe::graph_of<Net>;
  return {g.values, g.values + g.value_count};
}

// How a parameter is filled, and that all that `chosen` names are.
template <class Net, class Chosen>
bool fills(firecaffe::filler::distribution kind, double first, Chosen chosen) {
  const auto& parameters = firecaffe::parameters_of<Net, firecaffe::cpu>;
  int found = 0;
  for (int i = 0; i < parameters.count; ++i) {
    const firecaffe::parameter& p = parameters.list[i].description;
    if (!chosen(p)) continue;
    ++found;
    const firecaffe::filler& f = p.settings.fill;
    if (f.kind != kind || std::fabs(f.first - first) > 1e-12 || f.second != 0) return false;
  }
  return found > 0;
}

// What the solver's learning rate and weight decay are multiplied by, for weights and for biases.
template <class Net>
bool multiplies(float weight_rate, float weight_decay, float bias_rate, float bias_decay) {
  const auto& parameters = firecaffe::parameters_of<Net, firecaffe::cpu>;
  for (int i = 0; i < parameters.count; ++i) {
    const firecaffe::parameter& p = parameters.list[i].description;
    const bool bias = p.inputs * p.taps == 1;
    if (p.settings.lr_mult != (bias ? bias_rate : weight_rate)) return false;
    if (p.settings.decay_mult != (bias ? bias_decay : weight_decay)) return false;
  }
  return parameters.count > 0;
}

// Smooth images, pixels without their mean: waves of a few periods.
inline std::vector<float> waves(firecaffe::shape s, int samples, double amplitude) {
  using namespace firecaffe;
  std::vector<float> out;
  for (int n = 0; n < samples; ++n)
    for (int c = 0; c < s.channels; ++c) {
      const random_key key{3, 0, std::uint32_t(n), random_use::test, std::uint32_t(c)};
      const double down = 8 * random_unit(key, 0), across = 8 * random_unit(key, 1), start = random_unit(key, 2);
      for (int h = 0; h < s.height; ++h)
        for (int w = 0; w < s.width; ++w)
          out.push_back(float(amplitude * std::sin(6.2832 * (down * h / s.height + across * w / s.width + start))));
    }
  return out;
}

// Trains a new model on two images with the published fillers: forward, backward and update by momentum, twice. The
// mean of each loss before and after.
template <class Net>
std::vector<std::vector<double>> first_steps(firecaffe::model<Net, firecaffe::cpu>& m, float rate, double amplitude) {
  using namespace firecaffe;
  constexpr int batch = 2;
  using net_model = model<Net, cpu>;
  const std::vector<float> images = waves(m.the_plan.values[0].extents, batch, amplitude);
  const std::int32_t labels[batch] = {17, 999};
  std::vector<std::vector<double>> losses;
  constexpr std::size_t elements = net_model::memory::parameter_elements;
  updater<sgd, cpu> solver(m.device(), m.the_parameters.list, m.the_parameters.count, elements, {{0, elements, 0}}, 0);
  for (int step = 0; step < 3; ++step) {
    m.load(images.data(), batch);
    m.load_labels(labels);
    const pass now{.training = true, .seed = 9};
    m.forward(now);
    losses.emplace_back();
    const std::vector<double> sums = m.results();
    for (int i = 0; i < m.op_count; ++i)
      if (m.the_plan.ops[i].kind == op_kind::loss) losses.back().push_back(sums[std::size_t(i)] / batch);
    if (step == 2) break;
    m.backward(1.0 / batch, now);
    for (int i = 0; i < m.the_parameters.count; ++i) {
      double squares = 0;
      for (float g : m.gradient_values(i)) squares += double(g) * double(g);
      INFO("gradient of ", std::string(m.the_parameters.list[i].layer), " ",
           std::string(m.the_parameters.list[i].description.name), " of op ", m.the_parameters.list[i].op);
      CHECK(std::isfinite(squares));
      CHECK(squares > 0);
    }
    solver.apply(m.device(), {.momentum = 0.9f, .weight_decay = 5e-4f}, m.parameters(), m.gradients(), 0, rate, step);
  }
  return losses;
}

template <class Net>
std::vector<std::vector<double>> first_steps(float rate, double amplitude) {
  firecaffe::model<Net, firecaffe::cpu> m(firecaffe::cpu{1}, 2, 5);
  return first_steps(m, rate, amplitude);
}
