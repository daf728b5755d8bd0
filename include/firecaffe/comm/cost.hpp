#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../core/error.hpp"
#include "event_model.hpp"
#include "schedule.hpp"

namespace firecaffe {

// Seconds from the start of a schedule on all ranks to its end on the last: see event_model for what is modelled.
// `segment` is in elements; `element_bytes` is what an element takes on the way (less than it has in memory, and no
// whole number, under a codec).
template <schedule Algorithm>
double price(const machine& where, const node_map& nodes, std::size_t elements, double element_bytes,
             std::size_t segment, int window = 2) {
  if (nodes.ranks() == 1) return 0;
  const rehearsal steps = rehearse<Algorithm>(nodes, elements, segment);
  event_model model(where, nodes, window);
  model.add(steps, element_bytes);
  return model.run();
}

// The same with every rank on a node of its own.
template <schedule Algorithm>
double price(const machine& where, int ranks, std::size_t elements, double element_bytes, std::size_t segment,
             int window = 2) {
  return price<Algorithm>(where, node_map::even(ranks, 1), elements, element_bytes, segment, window);
}

// No allreduce is faster on ports of this bandwidth, whatever the latency: 2 (p - 1) / p * bytes / bandwidth.
constexpr double least_seconds(const machine& where, int ranks, double bytes) {
  return 2.0 * (ranks - 1) / ranks * bytes / where.network.bandwidth;
}

// What a training step costs on every rank: see price_step.
struct step_cost {
  double seconds = 0;
  double compute = 0;  // of it, what the step would take without communication
  double exposed() const { return seconds - compute; }
};

// One bucket of a step: what is sent, and after which op of the compute plan it starts.
struct bucket_work {
  std::size_t elements = 0;
  std::size_t after = 0;
};

// A training step on every rank: forward ops, backward ops, the update.
struct step_work {
  std::vector<double> ops;  // s, forward and backward, in the order in which they are done
  std::vector<bucket_work> buckets;
  double update = 0;    // s, when all buckets have arrived
  bool polled = false;  // ops run on the thread that communicates (see compute_plan)

  double compute() const {
    double seconds = update;
    for (const double op : ops) seconds += op;
    return seconds;
  }

  // For the event model. Where nothing is polled between ops, those that no bucket starts between are as good as one.
  compute_plan plan() const {
    compute_plan merged{{}, {}, polled};
    std::vector<std::size_t> place(ops.size());
    for (std::size_t i = 0; i < ops.size(); ++i) {
      const auto starts_after = [i](const bucket_work& b) { return b.after + 1 == i; };
      if (i == 0 || polled || std::any_of(buckets.begin(), buckets.end(), starts_after)) merged.ops.push_back(0);
      merged.ops.back() += ops[i];
      place[i] = merged.ops.size() - 1;
    }
    for (const bucket_work& b : buckets) merged.starts.push_back(place.at(b.after));
    return merged;
  }
};

// The rehearsals of a step's buckets, as price_step takes them: one rank stands for all in every bucket or in none.
// `list(elements, whole)` gives that of one bucket (see rehearse).
template <class Rehearse>
std::vector<rehearsal> rehearse_step(const std::vector<bucket_work>& buckets, Rehearse&& list) {
  std::vector<rehearsal> steps;
  bool symmetric = true;
  for (const bucket_work& b : buckets) symmetric &= steps.emplace_back(list(b.elements, false)).symmetric();
  for (std::size_t b = 0; b < steps.size() && !symmetric; ++b)
    if (steps[b].symmetric()) steps[b] = list(buckets[b].elements, true);
  return steps;
}

// The step's time with the buckets' collectives going on beside the backward pass and sharing the ports.
inline step_cost price_step(const machine& where, const node_map& nodes, const step_work& work,
                            const std::vector<rehearsal>& buckets, double element_bytes, int window = 2) {
  if (buckets.size() != work.buckets.size()) throw usage_error("a step needs a schedule for every bucket");
  step_cost cost{work.compute(), work.compute()};
  if (nodes.ranks() == 1) return cost;
  event_model model(where, nodes, window);
  for (const rehearsal& b : buckets) model.add(b, element_bytes);
  const compute_plan compute = work.plan();
  cost.seconds = model.run(compute) + work.update;
  return cost;
}

// The same with one algorithm for all buckets.
template <schedule Algorithm>
step_cost price_step(const machine& where, const node_map& nodes, const step_work& work, double element_bytes,
                     std::size_t segment, int window = 2) {
  const auto list = [&](std::size_t elements, bool whole) {
    return rehearse<Algorithm>(nodes, elements, segment, whole);
  };
  return price_step(where, nodes, work, rehearse_step(work.buckets, list), element_bytes, window);
}

}  // namespace firecaffe
