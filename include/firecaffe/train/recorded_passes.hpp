#pragma once

#include <cstdint>

#include "../network/model.hpp"
#include "batches.hpp"
#include "recorded_update.hpp"

namespace firecaffe {

// A device that can keep work and do it again at one word has
//   Device::recorder(Device&, bool keeps)  false: it does all as it is asked for, and keeps nothing
//   recorder::key           what tells one piece of work from another, an array of five integers
//   recorder.run(device, key, body, between)
//                           does what body(cut) asks the device for; perhaps as it was recorded for that key before,
//                           and then without calling body. Where body calls cut(n), with any integer, between(n) is
//                           called each time, when what was asked for before is on its way; what it asks for is not
//                           recorded
//   recorder.numbers()      recorder::slots doubles of the host's memory that the device can write
//   recorder.mark(slot, device)  what was asked for so far leaves a number in that slot
//   recorder.arrived(slot)  whether it is there
//   recorder.number(slot)   waits for it
// and device.both(f, g), which asks for what f() and g() ask for, and may have it done side by side.
template <class Device>
constexpr bool records_passes = false;
template <class Device>
requires requires { typename Device::recorder; }
constexpr bool records_passes<Device> = true;

// Where there is no such: nothing.
template <class Net, class Device>
class recorded_passes {
 public:
  recorded_passes(Device&, bool) {}
};

// Forward pass, losses and backward pass, recorded: what changes from one to the next lies in the device's memory.
template <class Net, class Device>
requires(records_passes<Device>) class recorded_passes<Net, Device> {
 public:
  using model_type = model<Net, Device>;
  static constexpr std::size_t slots = Device::recorder::slots;
  static constexpr int after_forward = -1;  // a place to cut, beside the ops of the backward pass

  // `recorded` false: asked for anew each time.
  recorded_passes(Device& device, bool recorded)
      : recorder_(device, recorded), outcome_(device.template allocate<step_outcome>(1)) {
    forget(device);
  }

  // One pass over a batch, `first` or `last` of a step or both, then what tail() asks for; the last leaves the step's
  // loss in `slot`. Work is cut where cuts(place) says so, the same for passes of a kind, first of all after the
  // forward pass, and between(place) called.
  template <class Cuts, class Tail, class Between>
  void ask(model_type& m, const batch_view& batch, pass now, int global_samples, bool first, bool last,
           std::size_t slot, Cuts cuts, Tail tail, Between between) {
    Device& device = m.device();
    load_batch(m, batch, {now.step, std::uint32_t(slot)});
    now.step = 0, now.live_step = &m.live()->step;
    now.scale = 1.0 / global_samples, now.gradient_with_loss = true;
    const typename Device::recorder::key key{m.samples(), now.first_sample, global_samples, first, last};
    const auto body = [this, &device, &m, now, global_samples, first, last, cuts, tail](auto cut) {
      m.forward(now);
      const auto add_up = [&] { device.for_each(1, losses(m, global_samples, first, last)); };
      const auto go_back = [&] {
        m.backward(now.scale, now, !first, [&](int op) {
          if (cuts(op)) cut(op);
        });
      };
      if (cuts(after_forward))
        add_up(), cut(after_forward), go_back();
      else
        device.both(add_up, go_back);
      tail();
    };
    recorder_.run(device, key, body, between);
  }

  // What became of the step, there and, by way of a slot, here.
  const step_outcome* outcome() const { return outcome_.data(); }
  void mark_loss(std::size_t slot, Device& device) { recorder_.mark(slot, device); }
  bool loss_arrived(std::size_t slot) { return recorder_.arrived(slot); }
  double loss(std::size_t slot) { return recorder_.number(slot); }

  // That a loss was not finite.
  void forget(Device& device) {
    const step_outcome fresh;
    device.upload(outcome_.data(), &fresh, 1);
  }

 private:
  static constexpr int loss_count = [] {
    int n = 0;
    for (int i = 0; i < model_type::the_plan.op_count; ++i) n += model_type::the_plan.ops[i].kind == op_kind::loss;
    return n;
  }();

  gather_losses<loss_count> losses(model_type& m, int samples, bool first, bool last) {
    gather_losses<loss_count> g{
        m.device_results(), {}, {}, double(samples), first, last, outcome_.data(), &m.live()->slot,
        recorder_.numbers()};
    for (int i = 0, k = 0; i < model_type::the_plan.op_count; ++i)
      if (model_type::the_plan.ops[i].kind == op_kind::loss)
        g.op[k] = i, g.weight[k++] = model_type::the_plan.ops[i].loss_weight;
    return g;
  }

  typename Device::recorder recorder_;
  typename Device::template memory<step_outcome> outcome_;
};

}  // namespace firecaffe
