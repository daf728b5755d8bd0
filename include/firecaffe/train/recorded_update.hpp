#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "updater.hpp"

namespace firecaffe {

// What became of a step, in the device's memory.
struct step_outcome {
  double loss = 0;
  std::int32_t go = 1;  // 0 from the first loss on that was not finite: parameters stay as they are
};

// outcome->loss (+)= the losses that a pass left, each times its weight, over the samples; after the last pass of a
// step it is looked at, and the host told. Run for one element.
template <int Losses>
struct gather_losses {
  const double* results;
  int op[Losses + 1];
  double weight[Losses + 1];
  double samples;
  bool first, last;
  step_outcome* outcome;
  const std::uint32_t* slot;
  double* numbers;  // by slot

  FIRECAFFE_HD void operator()(std::size_t) const {
    double sum = 0;
    for (int k = 0; k < Losses; ++k) sum += weight[k] * results[op[k]];
    const double loss = (first ? 0.0 : outcome->loss) + sum / samples;
    outcome->loss = loss;
    if (!last) return;
    if (!(loss - loss == 0)) outcome->go = 0;
    numbers[*slot] = loss;
  }
};

// The rules of all segments, which lie in the device's memory, on all parameters at once.
// Segments begin at multiples of `Granularity`.
template <class Rule, class T, std::size_t Granularity>
struct recorded_rules {
  enum class kind { none, learn, follow };
  struct entry {
    kind what = kind::none;
    std::size_t first = 0;
    Rule learn;
    follow_rule<T> follow;
  };

  const entry* entries;
  const std::uint32_t* entry_of;  // for each `Granularity` parameters
  const step_outcome* outcome;

  FIRECAFFE_HD void operator()(std::size_t i) const {
    const entry& e = entries[entry_of[i / Granularity]];
    if (outcome->go == 0 || e.what == kind::none) return;
    if (e.what == kind::learn)
      e.learn(i - e.first);
    else
      e.follow(i - e.first);
  }
};

// An update as part of work that is recorded once and replayed: what changes from step to step, the rules' numbers, is
// brought to the device's memory before each, where it did change. For solvers whose steps do not depend on norms of
// their own.
template <class Solver, class Device>
class recorded_update {
 public:
  using T = typename Device::scalar;
  using rule = decltype(std::declval<const Solver&>().update(std::declval<const update_of<T>&>()));
  static constexpr std::size_t granularity = Device::alignment;
  using rules = recorded_rules<rule, T, granularity>;

  recorded_update(Device& device, const updater<Solver, Device>& u, std::size_t elements)
      : elements_(elements),
        host_(u.segments().size()),
        entries_(device.template allocate<typename rules::entry>(host_.size())),
        entry_of_(device.template allocate<std::uint32_t>(elements / granularity)) {
    std::vector<std::uint32_t> of(elements / granularity);
    const std::vector<update_segment>& s = u.segments();
    for (std::size_t i = 0, k = 0; i < of.size(); ++i) {
      while (k + 1 < s.size() && i * granularity >= s[k + 1].first) ++k;
      of[i] = std::uint32_t(k);
    }
    device.upload(entry_of_.data(), of.data(), of.size());
  }

  // Before the work is recorded or replayed.
  void tell(Device& device, const Solver& solver, updater<Solver, Device>& u, T* parameters, const T* gradients,
            double rate, std::int64_t iteration) {
    for (std::size_t k = 0; k < host_.size(); ++k) {
      const update_segment& s = u.segments()[k];
      auto& e = host_[k];
      e.first = s.first;
      e.what = s.follows > 0 ? rules::kind::follow : u.learns(s) ? rules::kind::learn : rules::kind::none;
      T* state[std::size_t(Solver::state_arrays) + 1] = {};
      e.learn = solver.update(u.of(s, state, parameters, gradients, rate, iteration));
      e.follow = {parameters + s.first, gradients + s.first, T(s.follows)};
    }
    const std::size_t bytes = host_.size() * sizeof(typename rules::entry);
    if (there_.size() == host_.size() && std::memcmp(there_.data(), host_.data(), bytes) == 0) return;
    device.upload(entries_.data(), host_.data(), host_.size());
    there_ = host_;
  }

  // The work itself.
  void ask(Device& device, updater<Solver, Device>& u, const T* gradients, const step_outcome* outcome) {
    u.clip(device, gradients);
    device.for_each(elements_, rules{entries_.data(), entry_of_.data(), outcome});
  }

 private:
  std::size_t elements_;
  static_assert(std::is_trivially_copyable_v<typename rules::entry>);
  std::vector<typename rules::entry> host_, there_;  // there_: as they are on the device
  typename Device::template memory<typename rules::entry> entries_;
  typename Device::template memory<std::uint32_t> entry_of_;
};

}  // namespace firecaffe
