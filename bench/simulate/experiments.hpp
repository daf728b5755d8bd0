#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine.hpp"
#include "workload.hpp"

// What is run on simulated machines. All of it is the library's communicators, over simulate::transport.
namespace simulate {

struct sum_options {
  std::string algorithm = "tree";  // server, tree, double_tree, ring, halving_doubling
  bool half = false;               // bf16 codec
  std::size_t segment_bytes = 0;   // 0: everything in one message, not pipelined
  int window = 1;                  // segments under way per peer, direction and bucket
  int sends_at_once = 0;           // see endpoint
};

// Seconds until the last rank has the sum of `bytes` bytes of single-precision numbers.
double allreduce_seconds(const machine& m, int ranks, std::size_t bytes, const sum_options& o);

// Seconds until the root has received `bytes` bytes from each of the others, who start together.
double gather_seconds(const machine& m, int ranks, std::size_t bytes);

struct step_options {
  sum_options sum;
  double compute_seconds = 0;    // forward and backward of this rank's share of the batch, on its device
  double update_seconds = 0;     // on the device
  bool overlap = false;          // buckets start as the backward pass finishes them; or all at once after it
  std::size_t bucket_bytes = 0;  // with overlap
  double poll_seconds = 0.5e-3;  // with overlap: how often the host looks after messages while the device computes
};

struct step_times {
  double step = 0;    // one training step, in the steady state
  double waited = 0;  // of it: rank 0 waiting for gradients after its backward pass
};

// A training step: forward ops, backward ops, gradients to the host and back at the machine's staging rate, update. The
// device computes on its own; the host hands over buckets, polls, adds and waits.
step_times training_step(const machine& m, int ranks, const workload& net, const step_options& o);

const std::vector<std::string>& algorithm_names();

}  // namespace simulate
