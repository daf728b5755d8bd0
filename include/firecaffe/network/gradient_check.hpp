#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "../layers/losses.hpp"
#include "model.hpp"

namespace firecaffe {

struct gradient_check_options {
  std::uint64_t seed = 1;  // of parameters, inputs, targets, labels and dropout masks
  int batch = 2;
  double step = 0;                // h; 0: 1e-4 for double, 2e-2 for float
  int samples_per_parameter = 0;  // elements tried of each parameter and of the input; 0: all
  double kink = 0;                // see gradient_check; 0: 1e-7 for double, 2e-2 for float
  bool training = true;           // dropout drops
};

struct gradient_report {
  double worst_relative_error = 0;
  std::string where;             // of the worst: the parameter or the input, the element, both derivatives
  int checked = 0, skipped = 0;  // elements
};

// What the check runs: `Device` and a model of `Net` with random inputs.
template <class Net, class Device>
class gradient_checker {
 public:
  using T = typename Device::scalar;
  using checked_model = model<Net, Device, plan_options{.training = true, .input_gradient = true}>;
  static constexpr auto& the_plan = checked_model::the_plan;

  gradient_checker(Device device, const gradient_check_options& o)
      : options_(o), model_(std::move(device), o.batch, o.seed), now_{.training = o.training, .seed = o.seed} {
    constexpr bool precise = sizeof(T) > 4;
    if (!(options_.step > 0)) options_.step = precise ? 1e-4 : 2e-2;
    if (!(options_.kink > 0)) options_.kink = precise ? 1e-7 : 2e-2;
    input_ = random(the_plan.values[0].extents, 0);
    targets_ = random(checked_model::memory::target_shape, 1);
    const std::vector<double> units = random(shape{1}, 2);
    for (double u : units) labels_.push_back(int((u + 1) / 2 * classes()));
  }

  gradient_report run() {
    loss();
    model_.backward(1.0 / options_.batch, now_);
    constexpr auto& parameters = checked_model::the_parameters;
    std::vector<std::vector<T>> gradients;
    for (int i = 0; i < parameters.count; ++i)
      gradients.push_back(parameters.list[i].description.learnable() ? model_.gradient_values(i) : std::vector<T>{});
    if constexpr (the_plan.values[0].gradient) gradients.push_back(model_.gradient(0));
    double squares = 0, count = 0;
    for (const auto& g : gradients)
      for (T v : g) squares += double(v) * double(v), ++count;
    floor_ = 1e-3 * std::sqrt(squares / std::fmax(count, 1));

    for (int i = 0; i < parameters.count; ++i) {
      const placed_parameter& p = parameters.list[i];
      if (!p.description.learnable()) continue;
      std::vector<T> values = model_.parameter_values(i);
      compare("op " + std::to_string(p.op) + " " + p.layer + " " + p.description.name, gradients[std::size_t(i)],
              values, [&] { model_.template set_parameter<T>(i, values); });
    }
    if constexpr (the_plan.values[0].gradient) compare("input", gradients.back(), input_, [] {});
    return report_;
  }

 private:
  // Uniform in (-1, 1), for a batch.
  std::vector<double> random(shape s, std::uint32_t part) const {
    std::vector<double> out(std::size_t(s.elements()) * std::size_t(options_.batch));
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = 2 * random_unit({options_.seed, 0, 0, random_use::test, part}, i) - 1;
    return out;
  }

  // Labels below it suit every op that uses labels.
  static constexpr int classes() {
    int least = 0;
    [&]<int... I>(std::integer_sequence<int, I...>) { ((least = fewer(least, classes_of<I>())), ...); }
    (std::make_integer_sequence<int, checked_model::op_count>{});
    return least;
  }
  static constexpr int fewer(int a, int b) { return a == 0 || (b != 0 && b < a) ? b : a; }
  template <int I>
  static constexpr int classes_of() {
    constexpr planned_op o = the_plan.ops[I];
    if constexpr (o.kind == op_kind::loss || o.kind == op_kind::metric)
      if constexpr (leaf_of<Net, o.leaf>::uses_labels) return the_plan.values[o.input].extents.channels;
    return 0;
  }

  // The mean over the batch of the weighted losses.
  double loss() {
    model_.load(input_.data(), options_.batch);
    model_.load_labels(labels_.data());
    if constexpr (checked_model::memory::target_shape.elements() > 0) model_.load_targets(targets_.data());
    model_.forward(now_);
    const std::vector<double> results = model_.results();
    double total = 0;
    for (int i = 0; i < checked_model::op_count; ++i)
      if (the_plan.ops[i].kind == op_kind::loss) total += the_plan.ops[i].loss_weight * results[std::size_t(i)];
    return total / options_.batch;
  }

  template <class U, class Apply>
  void compare(const std::string& name, const std::vector<T>& gradient, std::vector<U>& values, Apply apply) {
    double squares = 0;
    for (T g : gradient) squares += double(g) * double(g);
    const double scale = std::fmax(std::sqrt(squares / double(gradient.size())), floor_), h = options_.step;
    const std::size_t n = values.size(), wanted = std::size_t(options_.samples_per_parameter);
    const bool all = wanted == 0 || wanted >= n;
    for (std::size_t k = 0; k < (all ? n : wanted); ++k) {
      const std::size_t i =
          all ? k : std::size_t(random_unit({options_.seed, 0, 0, random_use::test, 3}, k) * double(n));
      const U original = values[i];
      double moved = 0;
      auto at = [&](double by) {
        values[i] = U(double(original) + by);
        moved = double(values[i]) - double(original);
        apply();
        return loss();
      };
      const double far_above = at(h), far = moved, far_below = at(-h), far_down = -moved;
      const double above = at(h / 2), near = moved, below = at(-h / 2), near_down = -moved, here = at(0);
      const double wide = (far_above - far_below) / (far + far_down), narrow = (above - below) / (near + near_down);
      const double numeric = (4 * narrow - wide) / 3, analytic = double(gradient[i]);
      const double wide_jump = (far_above - here) / far - (here - far_below) / far_down;
      const double narrow_jump = (above - here) / near - (here - below) / near_down;
      const double size = std::fmax(std::fmax(std::fabs(analytic), std::fabs(numeric)), scale);
      if (!std::isfinite(size + numeric)) {
        report(INFINITY, name, i, analytic, numeric);
      } else if (std::fabs(wide - narrow) > options_.kink * size ||
                 std::fabs(2 * narrow_jump - wide_jump) > options_.kink * size) {
        ++report_.skipped;
      } else {
        report(size > 0 ? std::fabs(analytic - numeric) / size : 0, name, i, analytic, numeric);
      }
    }
  }

  void report(double error, const std::string& name, std::size_t i, double analytic, double numeric) {
    ++report_.checked;
    if (!report_.where.empty() && !(error > report_.worst_relative_error)) return;
    report_.worst_relative_error = error;
    report_.where = name + "[" + std::to_string(i) + "]: backward says " + std::to_string(analytic) +
                    ", differences say " + std::to_string(numeric);
  }

  gradient_check_options options_;
  checked_model model_;
  pass now_;
  std::vector<double> input_, targets_;
  std::vector<std::int32_t> labels_;
  double floor_ = 0;
  gradient_report report_;
};

// Compares the backward pass of a network with differences of its loss L, the sum of its weighted losses over the mean
// of a batch of random inputs in (-1, 1), with respect to every parameter and the input. For an element v with analytic
// derivative a:
//   c(h) = (L(v + h) - L(v - h)) / 2h,   n = (4 c(h/2) - c(h)) / 3 (its error is of order h^4),
//   relative error = |a - n| / max(|a|, |n|, r, R / 1000)
// with r the root mean square of the analytic gradient over v's parameter, R over all: a derivative that vanishes
// beside its neighbours is not asked for more digits than they have. Where L has no derivative (a ReLU at zero, a tie
// in a maximum) between v - h and v + h, differences mean nothing: the element is skipped where c(h) and c(h/2) differ
// by more than `kink` of that denominator, or 2 j(h/2) - j(h) does, with j(h) the jump between the one-sided
// differences at v: for a smooth L the first is of order h^2, the second of h^3. What is skipped depends on the forward
// pass alone. Each element takes five forward passes.
template <class Net, class Device>
gradient_report gradient_check(const gradient_check_options& options = {}, Device device = Device{}) requires requires {
  typename Net::network_type;
}
{
  static_assert(trainable<Net>::value);
  return gradient_checker<Net, Device>(std::move(device), options).run();
}

template <class Layer>
constexpr bool is_loss = [] {
  if constexpr (layer<Layer>) return Layer::kind == layer_kind::loss;
  return false;
}();

// The same of one layer (or combinator) behind input<...>: a loss as it is, anything else under a euclidean_loss.
template <class Layer, class Input, class Device>
gradient_report gradient_check(const gradient_check_options& options = {}, Device device = Device{}) requires requires {
  Input::extents;
}
{
  if constexpr (is_loss<Layer>)
    return gradient_check<network<Input, Layer>, Device>(options, std::move(device));
  else
    return gradient_check<network<Input, Layer, euclidean_loss>, Device>(options, std::move(device));
}

}  // namespace firecaffe
