#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "../core/error.hpp"
#include "permutation.hpp"

namespace firecaffe::data {

// What becomes of the samples left over when the batch does not divide the data set:
// `keep` makes a last step that is shorter, `drop` leaves them out of this epoch, `wrap` fills the last step with the
// first samples of the next epoch (which starts at its own beginning all the same).
enum class last_batch { keep, drop, wrap };

struct sampler_options {
  int batch = 1;  // global: the samples of one step on all ranks together
  bool shuffle = true;
  std::uint64_t seed = 0;
  last_batch last = last_batch::keep;
};

// Slots [first, first + count) of a step's global batch.
struct slot_range {
  int first = 0, count = 0;
  friend constexpr bool operator==(const slot_range&, const slot_range&) = default;
};

// Says which sample is at which place of which step; the number of ranks never enters, so that a run gives the same
// samples in the same slots on any number of them. With N samples and a global batch of B:
//
//   steps per epoch       S = ceil(N / B), with `drop` floor(N / B)
//   slots of step k       [0, c) with c = min(B, N - k B), with `wrap` c = B
//   slots of rank r of p  [floor(c r / p), floor(c (r + 1) / p)); where p divides G these are whole grains of G
//   sample at slot s      q = k B + s;  permutation(N, seed, e)(q mod N) with e = epoch + floor(q / N)
//
// Without `shuffle` the permutation is the identity. A rank gets no slots where there are more ranks than samples.
class sampler {
 public:
  // Throws usage_error for an empty data set, a batch below 1, or `drop` with a batch larger than the data set.
  sampler(std::size_t samples, const sampler_options& o) : samples_(samples), options_(o) {
    if (samples == 0) throw usage_error("data::sampler: the data set is empty");
    if (o.batch < 1) throw usage_error("data::sampler: the batch must be at least 1, it is " + std::to_string(o.batch));
    const auto batch = static_cast<std::size_t>(o.batch);
    steps_ = static_cast<std::int64_t>(samples / batch + (o.last != last_batch::drop && samples % batch != 0));
    if (steps_ == 0)
      throw usage_error("data::sampler: a batch of " + std::to_string(batch) + " drops all " + std::to_string(samples) +
                        " samples");
  }

  std::size_t samples() const { return samples_; }
  const sampler_options& options() const { return options_; }
  std::int64_t steps_per_epoch() const { return steps_; }

  // All slots of a step of an epoch.
  slot_range slots(std::int64_t step) const {
    if (step < 0 || step >= steps_)
      throw usage_error("data::sampler: step " + std::to_string(step) + " of " + std::to_string(steps_));
    const auto batch = static_cast<std::size_t>(options_.batch);
    const std::size_t left = samples_ - static_cast<std::size_t>(step) * batch;
    if (options_.last == last_batch::wrap || left >= batch) return {0, options_.batch};
    return {0, static_cast<int>(left)};
  }

  // Those of one rank.
  slot_range slots(std::int64_t step, int rank, int ranks) const {
    if (rank < 0 || rank >= ranks)
      throw usage_error("data::sampler: rank " + std::to_string(rank) + " of " + std::to_string(ranks));
    const std::int64_t count = slots(step).count;
    const auto first = static_cast<int>(count * rank / ranks);
    return {first, static_cast<int>(count * (rank + 1) / ranks) - first};
  }

  // The most slots any step gives a rank: ceil(min(B, N) / p), with `wrap` ceil(B / p).
  int most_slots(int ranks) const { return static_cast<int>((std::int64_t{slots(0).count} + ranks - 1) / ranks); }

  // The index in the data set of the sample at a slot. Throws usage_error for a step or slot that is not there.
  std::size_t index(int epoch, std::int64_t step, int slot) const {
    if (slot < 0 || slot >= slots(step).count)
      throw usage_error("data::sampler: slot " + std::to_string(slot) + " of step " + std::to_string(step));
    const std::size_t position =
        static_cast<std::size_t>(step) * static_cast<std::size_t>(options_.batch) + static_cast<std::size_t>(slot);
    const std::size_t place = position % samples_;
    if (!options_.shuffle) return place;
    const auto shuffled_epoch = static_cast<std::uint32_t>(static_cast<std::uint64_t>(epoch) + position / samples_);
    return static_cast<std::size_t>(permutation(samples_, options_.seed, shuffled_epoch)(place));
  }

 private:
  std::size_t samples_;
  sampler_options options_;
  std::int64_t steps_ = 0;
};

}  // namespace firecaffe::data
