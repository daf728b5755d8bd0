#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "../core/error.hpp"
#include "dataset.hpp"
#include "sampler.hpp"

namespace firecaffe::data {

// One rank's part of one step's global batch, in host memory.
struct host_batch {
  std::vector<float> values;         // (N, C, D, H, W)
  std::vector<std::int32_t> labels;  // (N); empty for a regression data set
  std::vector<float> targets;        // (N, target extents); empty for a labelled one
  int samples = 0;                   // N; may be 0 where there are more ranks than samples
  int first_slot = 0;                // of these samples in the global batch
  int global_samples = 0;            // what a mean over the global batch divides by
  int epoch = 0;
  std::int64_t step = 0;  // within the epoch
  bool last_of_epoch = false;
};

struct prefetch_options {
  int ahead = 2;             // batches that may lie ready or be in the making besides the caller's; bounds the memory
  int threads = 1;           // 0: no thread is started, next() reads the batch itself
  std::int64_t batches = 0;  // how many there are to be in all; 0: no end
};

// Fills batches in the background while the caller computes on the one it has. Batches come in the order of the
// sampler's steps, epoch after epoch, whatever the number of threads; each is divided among all threads, a few samples
// at a time, so that the first one does not take longer than it must. ahead + 1 buffers are allocated at the start and
// used over and over. What goes wrong in reading a batch is thrown by the next() that would have returned it: the error
// of its first sample that cannot be read.
// The data set must outlive the prefetcher. One thread at a time may call next().
template <dataset Dataset>
class prefetcher {
 public:
  // Begins at `step` of `epoch`, as a resumed run does. Throws usage_error for options that cannot be used.
  prefetcher(const Dataset& dataset, const sampler& order, int rank = 0, int ranks = 1, const prefetch_options& o = {},
             int epoch = 0, std::int64_t step = 0)
      : dataset_(&dataset),
        order_(order),
        rank_(rank),
        ranks_(ranks),
        options_(o),
        values_(static_cast<std::size_t>(dataset.extents().elements())),
        targets_(static_cast<std::size_t>(target_elements(dataset))) {
    if (o.ahead < 1 || o.threads < 0 || o.batches < 0 || epoch < 0 || step < 0 || rank < 0 || rank >= ranks)
      throw usage_error(
          "data::prefetcher: ahead must be at least 1; threads, batches, epoch and step not negative; rank "
          "one of the ranks");
    if (order.samples() != dataset.size())
      throw usage_error("data::prefetcher: the sampler is for " + std::to_string(order.samples()) +
                        " samples, the data set has " + std::to_string(dataset.size()));
    first_ = epoch * order.steps_per_epoch() + step;
    slots_.resize(o.threads == 0 ? 1 : static_cast<std::size_t>(o.ahead) + 1);
    const auto most = static_cast<std::size_t>(order.most_slots(ranks));
    for (slot& s : slots_) {
      s.batch.values.reserve(most * values_);
      if constexpr (regression_dataset<Dataset>)
        s.batch.targets.reserve(most * targets_);
      else
        s.batch.labels.reserve(most);
    }
    for (int i = 0; i < o.threads; ++i) threads_.emplace_back([this](std::stop_token stop) { work(stop); });
  }

  prefetcher(const prefetcher&) = delete;
  prefetcher& operator=(const prefetcher&) = delete;

  // Stops at the next sample boundary, whatever is under way.
  ~prefetcher() {
    for (std::jthread& t : threads_) t.request_stop();
  }

  // The next batch, valid until the following call. Rethrows what the data set threw while reading it, at every further
  // call too. Throws usage_error past the last of `options.batches`.
  const host_batch& next() {
    if (options_.batches > 0 && taken_ == options_.batches)
      throw usage_error("data::prefetcher: all " + std::to_string(taken_) + " batches were taken");
    const auto before = std::chrono::steady_clock::now();
    slot& s = slot_of(taken_);
    if (options_.threads == 0) {
      if (s.holds != taken_) {
        prepare(s, taken_);
        fill(s, 0, s.batch.samples, std::stop_token{});
        s.holds = taken_;
      }
    } else {
      std::unique_lock lock(mutex_);
      released_ = taken_;  // the caller is done with the batch before this one
      changed_.notify_all();
      changed_.wait(lock, [&] { return s.holds == taken_; });
    }
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    if (s.failure) std::rethrow_exception(s.failure);
    ++taken_;
    return s.batch;
  }

  // f(void*, bytes) for the memory of each buffer, which stays where it is.
  template <class F>
  void for_each_buffer(F f) {
    for (slot& s : slots_) {
      f(s.batch.values.data(), s.batch.values.capacity() * sizeof(float));
      f(s.batch.targets.data(), s.batch.targets.capacity() * sizeof(float));
    }
  }

  // Seconds that calls of next() have waited for data, all together.
  double seconds_waited() const { return waited_; }

 private:
  // What the threads share of it is under the mutex; samples are written without it, each by one thread.
  struct slot {
    host_batch batch;
    std::exception_ptr failure;
    int failed = 0;            // the sample whose failure that is
    int begun = 0, ended = 0;  // samples that threads have taken, and have done with
    std::int64_t number = -1;  // which batch is made here
    std::int64_t holds = -1;   // which batch lies here, complete or failed
  };

  slot& slot_of(std::int64_t number) { return slots_[static_cast<std::size_t>(number) % slots_.size()]; }

  // Batch b may be begun when batch b - buffers was given back, that is when fewer than `buffers` are out.
  bool may_begin() const {
    return begun_ < released_ + static_cast<std::int64_t>(slots_.size()) &&
           (options_.batches == 0 || begun_ < options_.batches);
  }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return may_begin(); })) {
      const std::int64_t number = begun_;
      slot& s = slot_of(number);
      if (s.number != number) prepare(s, number);
      const int first = s.begun, samples = s.batch.samples;
      const int last = std::min(samples, first + std::max(1, samples / (4 * options_.threads)));
      s.begun = last;
      if (last == samples) ++begun_;
      lock.unlock();
      fill(s, first, last, stop);
      lock.lock();
      if (stop.stop_requested()) return;
      s.ended += last - first;
      if (s.ended == samples) {
        s.holds = number;
        changed_.notify_all();
      }
    }
  }

  // Says what the batch will be, and makes room for it.
  void prepare(slot& s, std::int64_t number) {
    const std::int64_t position = first_ + number, steps = order_.steps_per_epoch();
    host_batch& b = s.batch;
    b.epoch = static_cast<int>(position / steps);
    b.step = position % steps;
    b.last_of_epoch = b.step == steps - 1;
    b.global_samples = order_.slots(b.step).count;
    const slot_range own = order_.slots(b.step, rank_, ranks_);
    b.first_slot = own.first;
    b.samples = own.count;
    const auto count = static_cast<std::size_t>(own.count);
    b.values.resize(count * values_);
    if constexpr (regression_dataset<Dataset>)
      b.targets.resize(count * targets_);
    else
      b.labels.resize(count);
    s.number = number;
    s.begun = s.ended = 0;
  }

  // Reads samples [first, last) of the batch.
  void fill(slot& s, int first, int last, const std::stop_token& stop) noexcept {
    int i = first;
    try {
      host_batch& b = s.batch;
      for (; i < last && !stop.stop_requested(); ++i) {
        const std::size_t index = order_.index(b.epoch, b.step, b.first_slot + i), at = static_cast<std::size_t>(i);
        if constexpr (regression_dataset<Dataset>)
          read_sample(*dataset_, index, b.epoch, b.values.data() + at * values_, b.targets.data() + at * targets_);
        else
          read_sample(*dataset_, index, b.epoch, b.values.data() + at * values_, b.labels.data() + at);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (s.failure && s.failed < i) return;
      s.failure = std::current_exception();
      s.failed = i;
    }
  }

  const Dataset* dataset_;
  sampler order_;
  int rank_, ranks_;
  prefetch_options options_;
  std::size_t values_, targets_;  // per sample
  std::int64_t first_ = 0;        // position of batch 0, in steps since epoch 0
  std::int64_t taken_ = 0;        // batches next() has returned
  double waited_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<slot> slots_;
  std::int64_t begun_ = 0, released_ = 0;  // batches, under the mutex
  std::vector<std::jthread> threads_;      // last: joined before anything they use goes
};

}  // namespace firecaffe::data
