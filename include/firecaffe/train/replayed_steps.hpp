#pragma once

#include <cmath>

#include "../network/model.hpp"
#include "recorded_update.hpp"

namespace firecaffe {

// A device that can keep work and do it again at one word has
//   Device::recorder(Device&)
//   recorder::key                            what tells one piece of work from another, an array of five integers
//   recorder.run(device, key, body)          does what body() asks the device for; perhaps as it was recorded for that
//                                            key before, and then without calling body
//   recorder.fetch(slot, from, device)       copies a double to the host once what was asked for so far is done
//   recorder.fetched(slot)                   waits for that; recorder::slots may be on their way
// There a rank alone, whose solver's steps do not depend on norms (as those of lars and lamb), has them replayed:
// forward pass, loss, backward pass and update are one piece of work, which finds in the device's memory what changes
// from step to step, and makes no update from the first loss on that is not finite. A next step may be asked for before
// the loss of the last is known.
template <class Solver, class Device>
constexpr bool replays_steps = false;
template <class Solver, class Device>
requires requires { typename Device::recorder; }
constexpr bool replays_steps<Solver, Device> = !updater<Solver, Device>::layerwise;

// Where steps are not replayed: nothing.
template <class Net, class Solver, class Device>
class replayed_steps {
 public:
  replayed_steps(Device&, const updater<Solver, Device>&, bool) {}
};

template <class Net, class Solver, class Device>
requires(replays_steps<Solver, Device>) class replayed_steps<Net, Solver, Device> {
 public:
  using model_type = model<Net, Device>;
  using updater_type = updater<Solver, Device>;
  static constexpr std::size_t most = Device::recorder::slots;  // steps that may be under way
  static_assert(most >= 2);

  replayed_steps(Device& device, const updater_type& u, bool alone)
      : recorder_(device),
        update_(device, u, alone ? model_type::memory::parameter_elements : 0),
        outcome_(device.template allocate<step_outcome>(1)),
        step_(device.template allocate<std::uint32_t>(1)) {
    begin(device);
  }

  std::size_t under_way() const { return under_way_; }

  // One pass over the samples that are loaded; after the last of a step comes the update.
  void ask(model_type& m, updater_type& u, const Solver& solver, pass now, int global_samples, bool first, bool last,
           double rate, std::int64_t iteration) {
    Device& device = m.device();
    device.upload(step_.data(), &now.step, 1);
    if (last) update_.tell(device, solver, u, m.parameters(), m.gradients(), rate, iteration);
    now.step = 0, now.live_step = step_.data();
    const typename Device::recorder::key key{m.samples(), now.first_sample, global_samples, first, last};
    recorder_.run(device, key, [this, &device, &m, &u, now, global_samples, first, last] {
      m.forward(now);
      device.for_each(1, losses(m, global_samples, first, last));
      m.backward(1.0 / global_samples, now, !first);
      if (last) update_.ask(device, u, m.gradients(), outcome_.data());
    });
    if (!last) return;
    recorder_.fetch((oldest_ + under_way_) % most, &outcome_.data()->loss, device);
    ++under_way_;
  }

  // The loss of the oldest step under way.
  double settle() {
    const double loss = recorder_.fetched(oldest_);
    oldest_ = (oldest_ + 1) % most, --under_way_;
    finite_ = finite_ && std::isfinite(loss);
    return loss;
  }

  // Waits for what is under way, and makes updates again should a loss not have been finite. Returns how many of those
  // steps were none for it.
  std::int64_t abandon(Device& device) {
    std::int64_t none = 0;
    while (under_way_ > 0) settle(), none += !finite_;
    if (!finite_) begin(device);
    return none;
  }

 private:
  void begin(Device& device) {
    const step_outcome fresh;
    device.upload(outcome_.data(), &fresh, 1);
    finite_ = true;
  }

  static constexpr int loss_count = [] {
    int n = 0;
    for (int i = 0; i < model_type::the_plan.op_count; ++i) n += model_type::the_plan.ops[i].kind == op_kind::loss;
    return n;
  }();

  gather_losses<loss_count> losses(model_type& m, int samples, bool first, bool last) {
    gather_losses<loss_count> g{m.device_results(), {}, {}, double(samples), first, last, outcome_.data()};
    for (int i = 0, k = 0; i < model_type::the_plan.op_count; ++i)
      if (model_type::the_plan.ops[i].kind == op_kind::loss)
        g.op[k] = i, g.weight[k++] = model_type::the_plan.ops[i].loss_weight;
    return g;
  }

  typename Device::recorder recorder_;
  recorded_update<Solver, Device> update_;
  typename Device::template memory<step_outcome> outcome_;
  typename Device::template memory<std::uint32_t> step_;
  std::size_t oldest_ = 0, under_way_ = 0;
  bool finite_ = true;  // every loss that was settled
};

}  // namespace firecaffe
