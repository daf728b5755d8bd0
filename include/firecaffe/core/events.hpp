#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe {

// What a training run tells those who watch it. `iteration` counts the updates made so far over the whole run, the one
// reported included; `epoch` and `step` count from 0 as the sampler does. `seconds` is wall time since this run began
// (since it resumed, where it did). Losses are means over samples, of all ranks where the trainer summed them.

// One update was made.
struct step_event {
  std::int64_t iteration = 0;
  int epoch = 0;
  std::int64_t step = 0, steps_per_epoch = 0;
  double loss = 0;
  double learning_rate = 0;
  double images_per_second = 0;  // of all ranks together
  double seconds = 0;
  int epochs = 0;  // how many the run is to have; 0 where unknown
};

// The last step of an epoch was made. `loss` is the mean over the epoch.
struct epoch_event {
  std::int64_t iteration = 0;
  int epoch = 0;
  double loss = 0;
  double images_per_second = 0;  // mean over the epoch
  double seconds = 0;
  int epochs = 0;
};

// A figure with its name, such as "top-1 accuracy" 0.991.
struct metric {
  std::string name;
  double value = 0;
};

// The network was applied to samples it does not learn from.
struct evaluation_event {
  std::int64_t iteration = 0;
  int epoch = 0;
  double loss = 0;
  std::vector<metric> metrics;
  std::int64_t samples = 0;
  double seconds = 0;
};

// Whoever watches a run takes each kind of event by `on`.
template <class O>
concept observer = requires(O& o, const step_event& s, const epoch_event& e, const evaluation_event& v) {
  o.on(s);
  o.on(e);
  o.on(v);
};

}  // namespace firecaffe
