#pragma once

#include <cmath>

#include "recorded_passes.hpp"

namespace firecaffe {

// A rank alone, whose solver's steps do not depend on norms (as those of lars and lamb), has whole steps replayed by a
// device that can: the update is part of the work of the last pass, and is none from the first loss on that is not
// finite. A next step may be asked for before the loss of the last is known.
template <class Solver, class Device>
constexpr bool replays_steps = records_passes<Device> && !updater<Solver, Device>::layerwise;

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
  using passes_type = recorded_passes<Net, Device>;
  static constexpr std::size_t most = passes_type::slots;  // steps that may be under way
  static_assert(most >= 2);

  replayed_steps(Device& device, const updater_type& u, bool alone)
      : update_(device, u, alone ? model_type::memory::parameter_elements : 0) {}

  std::size_t under_way() const { return under_way_; }

  // One pass over a batch; after the last of a step comes the update.
  void ask(passes_type& passes, model_type& m, const batch_view& batch, updater_type& u, const Solver& solver, pass now,
           int global_samples, bool first, bool last, double rate, std::int64_t iteration) {
    Device& device = m.device();
    if (last) update_.tell(device, solver, u, m.parameters(), m.gradients(), rate, iteration);
    const auto tail = [this, &passes, &device, &m, &u, last] {
      if (last) update_.ask(device, u, m.gradients(), passes.outcome());
    };
    const std::size_t slot = (oldest_ + under_way_) % most;
    passes.ask(
        m, batch, now, global_samples, first, last, slot, [](int) { return false; }, tail, [](int) {});
    if (!last) return;
    passes.mark_loss(slot, device);
    ++under_way_;
  }

  // The loss of the oldest step under way.
  double settle(passes_type& passes) {
    const double loss = passes.loss(oldest_);
    oldest_ = (oldest_ + 1) % most, --under_way_;
    finite_ = finite_ && std::isfinite(loss);
    return loss;
  }

  // Waits for what is under way, and makes updates again should a loss not have been finite. Returns how many of those
  // steps were none for it.
  std::int64_t abandon(passes_type& passes, Device& device) {
    std::int64_t none = 0;
    while (under_way_ > 0) settle(passes), none += !finite_;
    if (!finite_) passes.forget(device);
    finite_ = true;
    return none;
  }

 private:
  recorded_update<Solver, Device> update_;
  std::size_t oldest_ = 0, under_way_ = 0;
  bool finite_ = true;  // every loss that was settled
};

}  // namespace firecaffe
