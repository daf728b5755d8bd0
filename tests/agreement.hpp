#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "firecaffe/core/random.hpp"
#include "firecaffe/network/model.hpp"
#include "reference_layers.hpp"

namespace firecaffe {

// Runs a network on `Device` and on the reference device, and compares all that both define. `Device` computes in fp32:
// sums of up to a few thousand products, a handful of layers deep, are good to some 1e-6 of the largest value of a
// tensor, and the tolerance leaves a factor of ten. Gradients come from differences of probabilities, which cannot be
// better than 1e-7 of 1 where a loss is nearly zero: hence the least scale. Before every pass all activations, and the
// gradients that the pass must write, are poisoned with NaN: whatever reads what nobody wrote shows.
//
// Where values are stored as bfloat16 the reference rounds them too, after each op, and its weights; what is left are
// values near the middle of two that are rounded the other way, a few maxima and signs that turn out otherwise for it,
// and sums that are rounded before a bias is added. One maximum that turns out otherwise moves a gradient of five
// samples by a third, so that single elements say little: the root of the mean square of what a tensor is off by is
// compared with that of the tensor. Formulas are compared in fp32; this shows kernels that read or write what they
// should not.
template <class Net, class Device>
struct agreement {
  static constexpr plan_options options{.training = true, .input_gradient = true};
  using mine_model = model<Net, Device, options>;
  using true_model = model<Net, reference, options>;
  using memory = typename mine_model::memory;
  static constexpr auto& my_plan = mine_model::the_plan;
  static constexpr auto& my_parameters = mine_model::the_parameters;
  using V = typename Device::value;
  static constexpr bool narrow = sizeof(V) == 2;
  static constexpr double tolerance = 3e-5, narrow_values = 0.03, narrow_gradients = 0.4;
  static constexpr float nan = std::numeric_limits<float>::quiet_NaN();

  mine_model mine;
  true_model truth;
  std::uint64_t seed;
  double least_gradient = 1e-3;  // that is compared where values are narrow: before a normalisation most is noise

  agreement(Device device, int capacity, std::uint64_t s)
      : mine(std::move(device), capacity, s), truth(reference{}, capacity, s), seed(s) {
    INFO("seed ", seed);
    // Biases that start at zero would hide a bias that nobody adds.
    for (int i = 0; i < my_parameters.count; ++i) {
      std::vector<float> v = mine.parameter_values(i);
      for (std::size_t k = 0; k < v.size(); ++k) v[k] += float(0.1 * uniform(7 + std::uint32_t(i), k));
      mine.template set_parameter<float>(i, v);
      set_truth(i, v);
    }
  }

  static double rounded(double v) {
    if constexpr (narrow) {
      if (!std::isfinite(v)) return v;
      int exponent = 0;
      const double fraction = std::frexp(v, &exponent);
      v = std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
    }
    return v;
  }
  static void round_all(tensor_view<double> v) {
    if constexpr (narrow)
      for (int n = 0; v && n < v.samples; ++n)
        for (int c = 0; c < v.extents.channels; ++c)
          for (int p = 0; p < v.extents.pixels(); ++p) v(n, c, p) = rounded(v(n, c, p));
  }
  // The reference's parameters become those of `mine`.
  void set_truth(int i, std::vector<float> v) {
    if (const parameter& p = my_parameters.list[i].description; p.inputs * p.taps > 1)
      for (float& x : v) x = float(rounded(double(x)));
    truth.template set_parameter<float>(i, v);
  }

  double uniform(std::uint32_t part, std::size_t i) const {
    return 2 * random_unit({seed, 0, 0, random_use::test, part}, i) - 1;
  }

  void poison() {
    float* arena = mine.view(0).data - my_plan.values[0].offset * std::size_t(mine.capacity());
    for (std::size_t i = 0; i < memory::activation_elements(mine.capacity()); ++i) arena[i] = nan;
  }
  // Elements only: padding is zero from the start, and every op leaves it so.
  void poison_gradients() {
    for (int i = 0; i < my_parameters.count; ++i) {
      const placed_parameter& p = my_parameters.list[i];
      const std::vector<float> poison(p.stored.canonical(), nan);
      if (my_plan.ops[p.op].backward) store_weights(p.stored, poison.data(), mine.gradients() + p.offset);
    }
  }

  void load(int samples) {
    std::vector<float> x(std::size_t(my_plan.values[0].extents.elements()) * std::size_t(samples));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(rounded(uniform(0, i)));
    std::vector<float> targets(std::size_t(memory::target_shape.elements()) * std::size_t(samples));
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = float(uniform(1, i));
    std::vector<std::int32_t> labels;
    for (int n = 0; n < samples; ++n)
      labels.push_back(int(random_word({seed, 0, 0, random_use::test, 2}, std::uint64_t(n)) % 3));
    mine.load(x.data(), samples, labels.data());
    truth.load(x.data(), samples), truth.load_labels(labels.data());
    if (!targets.empty()) mine.load_targets(targets.data()), truth.load_targets(targets.data());
  }

  template <class A>
  void compare(const std::string& what, int which, const std::vector<A>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    double scale = 1e-2, worst = 0, squares = 0, off = 0;
    for (double v : b) scale = std::fmax(scale, std::fabs(v)), squares += v * v;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double apart = std::isfinite(double(a[i])) ? std::fabs(double(a[i]) - b[i]) : INFINITY;
      worst = std::fmax(worst, apart), off += apart * apart;
    }
    INFO(what, " ", which);
    const bool gradient = what.starts_with("gradient");
    const double some = gradient ? narrow_gradients : narrow_values, least = gradient ? least_gradient : 1e-2;
    if (narrow)
      CHECK(std::sqrt(off) <= some * std::fmax(std::sqrt(squares), least * std::sqrt(double(b.size()))));
    else
      CHECK(worst <= tolerance * scale);
  }

  // Values that are whole after the forward pass: kept for the backward pass or the caller, and not overwritten in
  // place.
  template <class Plan>
  static constexpr bool readable(const Plan& p, int v) {
    if (v >= int(sizeof p.values / sizeof p.values[0]) || !p.values[v].used) return false;
    for (int i = 0; i < p.op_count; ++i)
      for (int k = 0; k < p.operand_count(p.ops[i]); ++k)
        if ((p.ops[i].kind == op_kind::transform || p.ops[i].kind == op_kind::sum) && p.operand(p.ops[i], k) == v &&
            p.values[v].home == p.values[p.ops[i].output].home)
          return false;
    return p.values[p.values[v].home].dies >= p.op_count;
  }

  // Ops are counted anew where two are fused: the k-th loss or metric of one plan is that of the other.
  template <class Plan>
  static std::vector<double> sums(const Plan& p, const std::vector<double>& results, bool metrics) {
    std::vector<double> out;
    for (int i = 0; i < p.op_count; ++i)
      if (p.ops[i].kind == op_kind::loss || (metrics && p.ops[i].kind == op_kind::metric))
        out.push_back(results[std::size_t(i)]);
    return out;
  }

  pass pass_at(bool training, std::uint32_t step, bool gradient_with_loss) const {
    return {.training = training,
            .seed = seed,
            .step = step,
            .first_sample = 3,
            .scale = 1.0 / 7,
            .gradient_with_loss = gradient_with_loss};
  }

  void forward(bool training, std::uint32_t step, bool gradient_with_loss = false) {
    const pass now = pass_at(training, step, gradient_with_loss);
    mine.forward(now);
    truth.forward(now, [&](int op) {
      if (const int v = true_model::the_plan.ops[op].output; v >= 0) round_all(truth.view(v));
    });
    const auto a = sums(my_plan, mine.results(), !training), b = sums(true_model::the_plan, truth.results(), !training);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) compare<double>("loss or metric", int(i), {a[i]}, {b[i]});
    for (int v = 0; v < int(sizeof my_plan.values / sizeof my_plan.values[0]); ++v)
      if (readable(my_plan, v) && readable(true_model::the_plan, v)) compare("value", v, mine.value(v), truth.value(v));
  }

  void backward(std::uint32_t step, bool add, bool gradient_with_loss = false) {
    const pass now = pass_at(true, step, gradient_with_loss);
    mine.backward(now.scale, now, add, [&](int op) {
      const planned_op& o = my_plan.ops[op];
      for (int k = 0; o.backward && k < my_plan.operand_count(o); ++k) {
        INFO("gradient of value ", my_plan.operand(o, k), " behind op ", op);
        CHECK(padding_is_zero(my_plan.operand(o, k)));
      }
    });
    truth.backward(now.scale, now, add, [&](int op) {
      const planned_op& o = true_model::the_plan.ops[op];
      for (int k = 0; k < true_model::the_plan.operand_count(o); ++k)
        round_all(truth.gradient_view(true_model::the_plan.operand(o, k)));
    });
    for (int i = 0; i < my_parameters.count; ++i)
      compare("gradient of parameter", i, mine.gradient_values(i), truth.gradient_values(i));
    if (my_plan.values[0].gradient && mine.samples() > 0)
      compare("gradient of input", 0, mine.gradient(0), truth.gradient(0));
  }

  // What lies beside the elements of the gradient of a value, unless that is a part of another.
  bool padding_is_zero(int value) {
    const tensor_view<V> v = mine.gradient_view(value);
    const int block = v.strides.block, stored = (v.extents.channels + block - 1) / block * block;
    if (!v || my_plan.values[value].home != value || stored == v.extents.channels) return true;
    std::vector<V> here(std::size_t(v.samples) * std::size_t(v.strides.sample));
    mine.device().download(here.data(), v.data, here.size());
    for (int n = 0; n < v.samples; ++n)
      for (int c = v.extents.channels; c < stored; ++c)
        for (int p = 0; p < v.extents.pixels(); ++p)
          if (!(float(here[std::size_t(v.strides.offset(n, c, p))]) == 0)) return false;
    return true;
  }

  // What lies between and beside the elements of parameters.
  static bool padding_is_zero(const float* arena) {
    std::vector<char> used(memory::parameter_elements);
    for (int i = 0; i < my_parameters.count; ++i) {
      const weight_layout& l = my_parameters.list[i].stored;
      for (int o = 0; o < l.outputs; ++o)
        for (int c = 0; c < l.inputs; ++c)
          for (int k = 0; k < l.taps; ++k) used[my_parameters.list[i].offset + std::size_t(l.offset(o, c, k))] = 1;
    }
    for (std::size_t i = 0; i < used.size(); ++i)
      if (!used[i] && !(arena[i] == 0)) return false;
    return true;
  }

  void step(int samples, std::uint32_t step) {
    INFO("seed ", seed, ", capacity ", mine.capacity(), ", samples ", samples, ", step ", step);
    poison();
    load(samples);
    forward(false, step);
    poison();
    load(samples);
    forward(true, step);
    poison_gradients();
    backward(step, false);
    poison();
    load(samples);
    forward(true, step + 1, true);
    backward(step + 1, true, true);
    CHECK(padding_is_zero(mine.gradients()));
    for (std::size_t i = 0; i < memory::parameter_elements; ++i) mine.parameters()[i] -= 0.02f * mine.gradients()[i];
    CHECK(padding_is_zero(mine.parameters()));
    for (int i = 0; i < my_parameters.count; ++i) set_truth(i, mine.parameter_values(i));
  }
};

// Gradients of an evaluation, which holds running statistics fixed. `Agreement`: this one, or one that pokes otherwise.
template <class Agreement>
void check_going_back_in_evaluation(Agreement& both) {
  both.poison();
  both.load(5);
  both.forward(false, 0);
  both.poison_gradients();
  both.mine.backward(0.25, {.training = false});
  both.truth.backward(0.25, {.training = false});
  for (int i = 0; i < both.my_parameters.count; ++i)
    both.compare("gradient of parameter", i, both.mine.gradient_values(i), both.truth.gradient_values(i));
  both.compare("gradient of input", 0, both.mine.gradient(0), both.truth.gradient(0));
}

// Full batches, short ones, one sample and none; each step changes the weights.
template <class Net, class Device>
void check_agreement(const char* name, Device device, std::uint64_t seed) {
  INFO(std::string(name), " on ", std::string(Device::name), ", block ", Device::block, ", threads ", device.threads());
  constexpr int capacity = 5;
  agreement<Net, Device> both(std::move(device), capacity, seed);
  std::uint32_t step = 0;
  for (int samples : {capacity, 3, 1, 0, capacity}) both.step(samples, step += 2);
}

}  // namespace firecaffe
