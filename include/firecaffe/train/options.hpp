#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "../data/prefetch.hpp"
#include "../solvers/contract.hpp"

namespace firecaffe {

template <class Solver>
struct trainer_options {
  int batch = 64;     // global: the samples of one forward pass on all ranks together
  int iter_size = 1;  // batches whose gradients are added up before an update, as in Caffe
  Solver solver{};
  // Of the iteration: see lr/policies.hpp. It must have a value for every iteration there could be: ranks compare some
  // as far as 2^20.
  lr::policy learning_rate = [](std::int64_t) { return 0.01; };
  // Gradients of a larger norm, over all parameters together, are scaled down to it (Caffe's clip_gradients); 0: never.
  // Weight decay comes after. No parameter is updated before all buckets have arrived.
  float clip = 0;
  std::uint64_t seed = 1;  // of initial parameters, shuffles and dropout
  int threads = 0;         // of this rank; 0: its share of the node's cores
  // Gradients are summed in pieces of about this size, as the backward pass yields them; 0: 1 MiB, or more where that
  // would make more than 64 pieces.
  std::size_t bucket_bytes = 0;
  // Devices that can (GPUs, by CUDA graphs) keep the work of a step and do it again at one word. false: they are asked
  // for it anew each time, which takes longer, but does not mind another thread that synchronises the whole device.
  bool graphs = true;
};

template <class Solver>
std::size_t bucket_bytes(const trainer_options<Solver>& o, std::size_t parameter_bytes) {
  return o.bucket_bytes > 0 ? o.bucket_bytes : std::max(std::size_t{1} << 20, parameter_bytes / 64);
}

// Throws usage_error for what cannot be used.
template <class Solver>
trainer_options<Solver> checked(trainer_options<Solver> o) {
  if (o.batch < 1) throw usage_error("trainer: batch must be at least 1, it is " + std::to_string(o.batch));
  if (o.iter_size < 1) throw usage_error("trainer: iter_size must be at least 1, it is " + std::to_string(o.iter_size));
  if (o.threads < 0) throw usage_error("trainer: threads must not be negative");
  if (!(o.clip >= 0)) throw usage_error("trainer: clip must not be negative");
  if (const char* fault = o.solver.fault()) throw usage_error(std::string(Solver::name) + ": " + fault);
  return o;
}

struct fit_options {
  int epochs = 0;
  std::int64_t iterations = 0;  // stop after so many updates, 0: after `epochs`
  bool shuffle = true;
  data::last_batch last = data::last_batch::keep;
  data::prefetch_options prefetch{};
};

}  // namespace firecaffe
