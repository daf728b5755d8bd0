#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "lars.hpp"
#include "lr/policies.hpp"
#include "sgd.hpp"

namespace firecaffe {

// What a larger batch changes: a recipe that works for a small batch, and a factor, make the recipe for the large one.
//   const fc::recipe<fc::sgd> small{.batch = 64, .solver = {.momentum = 0.9f}, .learning_rate = fc::lr::fixed{0.01f}};
//   const fc::recipe<fc::sgd> large = fc::large_batch::linear_scaling(small, 16, 5 * set.size());
//   fc::trainer<net, fc::sgd, ...> trainer{
//       world, {.batch = large.batch, .solver = large.solver, .learning_rate = large.learning_rate}};
// Lengths are in samples, which mean the same at every batch; the small schedule is followed at the same samples seen.
template <class Solver>
struct recipe {
  int batch = 64;
  Solver solver{};
  lr::policy learning_rate = lr::fixed{};
};

namespace large_batch {

// rate(i) = height * small(factor * i), behind a line from `from` over the first `warmup` iterations.
struct scaled_policy {
  lr::policy small;
  std::int64_t factor = 1;
  double height = 1, from = 0;
  std::int64_t warmup = 0;
  double operator()(std::int64_t i) const {
    if (i >= warmup) return height * small(factor * i);
    return from + (height * small(factor * warmup) - from) * double(i) / double(warmup);
  }
};

// The batch times `factor` and the rate times `height`, climbing from `from` over `warmup_samples`.
template <class Solver>
recipe<Solver> scaled(const recipe<Solver>& small, int factor, double height, double from,
                      std::int64_t warmup_samples) {
  if (factor < 1) throw usage_error("large_batch: the factor must be at least 1, it is " + std::to_string(factor));
  const std::int64_t batch = std::int64_t{small.batch} * factor;
  if (batch > std::numeric_limits<int>::max()) throw usage_error("large_batch: a batch beyond 2^31");
  if (warmup_samples < 0) throw usage_error("large_batch: the warmup must not be negative");
  return {int(batch), small.solver,
          scaled_policy{small.learning_rate, factor, height, from, (warmup_samples + batch - 1) / batch}};
}

// The linear scaling rule with gradual warmup (Goyal et al., arXiv 1706.02677, section 2): the rate grows as the batch
// does, all else stays. They warm up for five epochs and keep ImageNet's accuracy from a batch of 256 up to 8192.
template <class Solver>
recipe<Solver> linear_scaling(const recipe<Solver>& small, int factor, std::int64_t warmup_samples) {
  return scaled(small, factor, factor, small.learning_rate(0), warmup_samples);
}

// The square-root rule: the rate grows as the root of the batch, so that the noise of a step stays as large
// (Krizhevsky, arXiv 1404.5997). It is the rule of solvers that divide by the gradient's size: adam, and lamb, with
// which You et al. (arXiv 1904.00962) scale from 512 to 32768.
template <class Solver>
recipe<Solver> sqrt_scaling(const recipe<Solver>& small, int factor, std::int64_t warmup_samples) {
  return scaled(small, factor, std::sqrt(double(factor)), small.learning_rate(0), warmup_samples);
}

// The same batch and the same course of the rate, from another height, for another solver: what lars and lamb call a
// rate is a share of a parameter's norm, and has its own size.
template <class Large, class Small>
recipe<Large> with_solver(const recipe<Small>& small, const Large& solver, float rate) {
  return {small.batch, solver, scaled_policy{small.learning_rate, 1, double(rate) / small.learning_rate(0)}};
}

// LARS (You et al., arXiv 1708.03888): the small batch's momentum, weight decay and course of the rate, whose height
// `rate` is lars's own; it climbs from 0. A step is then about rate * trust of each parameter's norm.
inline recipe<lars> lars_scaling(const recipe<sgd>& small, int factor, float rate, std::int64_t warmup_samples,
                                 float trust = 1e-3f) {
  const lars solver{.momentum = small.solver.momentum, .weight_decay = small.solver.weight_decay, .trust = trust};
  return scaled(with_solver(small, solver, rate), factor, 1, 0, warmup_samples);
}

// The pairs that FireCaffe published (Iandola et al., arXiv 1511.00175), for a run over `samples` samples; momentum and
// weight decay are those of the networks in Caffe's model zoo, from which they start.
// GoogLeNet: the rate 0.01 at batch 32 and 0.08 at 1024, falling as lr::poly with power 0.5.
inline recipe<sgd> firecaffe_googlenet(int batch, std::int64_t samples) {
  if (batch != 32 && batch != 1024) throw usage_error("FireCaffe trained GoogLeNet at batch 32 and 1024");
  return {batch,
          {.momentum = 0.9f, .weight_decay = 2e-4f},
          lr::poly{.base = batch == 32 ? 0.01f : 0.08f, .power = 0.5f, .iterations = samples / batch}};
}
// Network in Network: the rate 0.01 at batch 256 and 0.04 at 1024, linear scaling; divided by ten twice, at 4/9 and 8/9
// of the run, as in Caffe's model zoo.
inline recipe<sgd> firecaffe_nin(int batch, std::int64_t samples) {
  if (batch != 256 && batch != 1024) throw usage_error("FireCaffe trained NiN at batch 256 and 1024");
  const std::int64_t iterations = samples / batch;
  return {batch,
          {.momentum = 0.9f, .weight_decay = 5e-4f},
          lr::multistep{
              .base = batch == 256 ? 0.01f : 0.04f, .gamma = 0.1f, .at = {iterations * 4 / 9, iterations * 8 / 9}}};
}

}  // namespace large_batch
}  // namespace firecaffe
