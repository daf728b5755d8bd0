#pragma once

#include <chrono>
#include <string>

#include "../core/events.hpp"
#include "../network/memory_plan.hpp"

namespace firecaffe {

class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A step that was asked for.
struct step_asked {
  std::int64_t iteration, first, passes;  // updates before it; its passes, counted from the epoch's first
  double rate;
  int samples;
};

// Turns steps into events: rates, means over the epoch.
class run_watch {
 public:
  run_watch(int epochs, std::int64_t steps) : epochs_(epochs), steps_(steps) {}

  void begin_epoch() { epoch_start_ = step_start_ = watch_.seconds(), loss_ = 0, samples_ = 0; }

  step_event step(int epoch, const step_asked& a, double loss) {
    const double now = watch_.seconds(), took = now - step_start_;
    step_start_ = now, loss_ += loss * a.samples, samples_ += a.samples;
    const std::int64_t last = a.first + a.passes - 1;
    return {a.iteration + 1, epoch, last, steps_, loss, a.rate, took > 0 ? a.samples / took : 0, now, epochs_};
  }

  epoch_event epoch(std::int64_t iteration, int epoch) const {
    const double now = watch_.seconds(), took = now - epoch_start_;
    return {iteration, epoch,  samples_ > 0 ? loss_ / double(samples_) : 0, took > 0 ? double(samples_) / took : 0,
            now,       epochs_};
  }

 private:
  stopwatch watch_;
  int epochs_;
  std::int64_t steps_, samples_ = 0;
  double epoch_start_ = 0, step_start_ = 0, loss_ = 0;
};

// The losses of all heads by their weights, from the sums that model::results() gives.
template <class Net, class Device>
double weighted_loss(const double* results) {
  constexpr auto& p = plan<Net, Device>;
  double loss = 0;
  for (int i = 0; i < p.op_count; ++i)
    if (p.ops[i].kind == op_kind::loss) loss += p.ops[i].loss_weight * results[i];
  return loss;
}

// Loss and metrics over `samples`, from summed results.
template <class Net, class Device>
evaluation_event summarize(const double* results, double samples) {
  constexpr auto& p = plan<Net, Device>;
  evaluation_event event;
  event.loss = weighted_loss<Net, Device>(results) / samples;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (
        [&] {
          if constexpr (p.ops[I].kind == op_kind::metric) {
            using metric_layer = leaf_of<Net, p.ops[I].leaf>;
            std::string name = metric_layer::name;
            if constexpr (requires { metric_layer::top; })
              if (metric_layer::top > 1) name = "top-" + std::to_string(metric_layer::top) + " " + name;
            event.metrics.push_back({name, results[I] / samples});
          }
        }(),
        ...);
  }
  (std::make_integer_sequence<int, p.op_count>{});
  return event;
}

}  // namespace firecaffe
