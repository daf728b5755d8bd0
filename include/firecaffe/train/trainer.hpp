#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../comm/contract.hpp"
#include "../data/prefetch.hpp"
#include "../network/model.hpp"
#include "fingerprint.hpp"
#include "progress.hpp"

namespace firecaffe {

template <class Solver>
struct trainer_options {
  int batch = 64;     // global: the samples of one forward pass on all ranks together
  int iter_size = 1;  // batches whose gradients are added up before an update, as in Caffe
  Solver solver{};
  std::function<double(std::int64_t)> learning_rate = [](std::int64_t) { return 0.01; };  // of the iteration: see lr::
  std::uint64_t seed = 1;  // of initial parameters, shuffles and dropout
  int threads = 0;         // of this rank; 0: its share of the node's cores
  std::size_t bucket_bytes =
      1 << 20;  // gradients are summed in pieces of about this size, as the backward pass yields them
};

struct fit_options {
  int epochs = 0;
  std::int64_t iterations = 0;  // stop after so many updates, 0: after `epochs`
  bool shuffle = true;
  data::last_batch last = data::last_batch::keep;
  data::prefetch_options prefetch{};
};

// Samples of one rank for one forward pass, in the caller's memory; see data::host_batch for the fields.
struct batch_view {
  const float* values = nullptr;  // (N, C, H, W)
  const std::int32_t* labels = nullptr;
  const float* targets = nullptr;
  int samples = 0, first_slot = 0;
};

// Synchronous data-parallel training: every rank of the communicator runs the same network on its share of the global
// batch, gradients are summed over the ranks bucket by bucket while the backward pass goes on, and every rank makes the
// same update. The result depends on the number of ranks only through the order of floating-point additions.
//
// Ranks that were built for different networks, solvers, batches or seeds get a communication_error from the
// constructor.
template <class Net, class Solver, gradient_communicator Communicator, class Device>
class trainer {
 public:
  using T = typename Device::scalar;
  using model_type = model<Net, Device>;
  using options_type = trainer_options<Solver>;
  using memory = typename model_type::memory;
  static_assert(trainable<Net>::value);

  template <class Endpoint>
  trainer(Endpoint&& endpoint, options_type o)
      : communicator_(std::make_unique<Communicator>(std::forward<Endpoint>(endpoint))),
        options_(checked(std::move(o))),
        model_(Device::for_rank(communicator_->node_rank(), communicator_->node_size(), options_.threads),
               (options_.batch + communicator_->size() - 1) / communicator_->size(), options_.seed),
        buckets_(buckets_of<Net, Device>(options_.bucket_bytes)) {
    for (int i = 0; i < Solver::state_arrays; ++i)
      state_.push_back(model_.device().template allocate<T>(memory::parameter_elements));
    if (!Device::host_memory_is_device_memory) staged_.resize(memory::gradient_elements);
    if (buckets_.empty()) buckets_.push_back({0, 0, 0});
    buckets_.back().last = memory::parameter_elements + 1;  // the loss rides behind the last gradients
    for (std::size_t b = 0; b < buckets_.size(); ++b)
      communicator_->template prepare<T>(int(b), buckets_[b].last - buckets_[b].first);
    const std::string description =
        fingerprint<Net, Device>(options_.solver, options_.batch, options_.iter_size, options_.seed) + ", buckets of " +
        std::to_string(options_.bucket_bytes) + " bytes";
    communicator_->agree(hash_of(description), description);
  }

  // One update from `iter_size` (or fewer) passes; `global_samples` is what the passes have on all ranks together. All
  // ranks call it together. Returns the mean loss, the same on every rank. Throws numeric_error, before any parameter
  // is touched, when it is not finite.
  double step(std::span<const batch_view> passes, int global_samples) {
    if (passes.empty() || global_samples < 1) throw usage_error("trainer: a step needs a pass and at least one sample");
    loss_ = 0;
    for (std::size_t i = 0; i < passes.size(); ++i) accumulate(passes[i], global_samples, i, i + 1 == passes.size());
    return finish();
  }
  double step(const batch_view& one, int global_samples) { return step({&one, 1}, global_samples); }

  // Trains on `dataset`; each observer is told of steps and epochs by `on(event)`. All ranks call it with the same
  // data.
  template <data::dataset Dataset, class... Observers>
  void fit(const Dataset& dataset, const fit_options& o, Observers&... observers) {
    fit_and(
        dataset, o, [] {}, observers...);
  }

  // The same, and evaluates on `validation` after every epoch.
  template <data::dataset Dataset, data::dataset Validation, class... Observers>
  evaluation_event fit(const Dataset& dataset, const Validation& validation, const fit_options& o,
                       Observers&... observers) {
    evaluation_event last;
    fit_and(
        dataset, o, [&] { last = evaluate(validation, observers...); }, observers...);
    return last;
  }

  // Mean loss and metrics over the whole data set, divided over the ranks; the same on every rank.
  template <data::dataset Dataset, class... Observers>
  evaluation_event evaluate(const Dataset& dataset, Observers&... observers) {
    check_extents(dataset);
    const stopwatch watch;
    const data::sampler order(dataset.size(), {.batch = model_.capacity() * communicator_->size(), .shuffle = false});
    data::prefetcher<Dataset> batches(dataset, order, communicator_->rank(), communicator_->size(),
                                      {.batches = order.steps_per_epoch()});
    std::vector<double> sums(memory::results);
    for (std::int64_t k = 0; k < order.steps_per_epoch(); ++k) {
      load(view(batches.next()));
      if (model_.samples() == 0) continue;
      model_.forward({false, options_.seed, std::uint32_t(iteration_)});
      double part[memory::results];
      model_.results(part);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += part[i];
    }
    communicator_->sum(sums);
    evaluation_event event = summarize<Net, Device>(sums.data(), double(dataset.size()));
    event.iteration = iteration_, event.epoch = epoch_;
    event.samples = std::int64_t(dataset.size()), event.seconds = watch.seconds();
    (observers.on(event), ...);
    return event;
  }

  model_type& network() { return model_; }
  Communicator& communicator() { return *communicator_; }
  const options_type& options() const { return options_; }
  std::int64_t iteration() const { return iteration_; }  // updates made
  int epoch() const { return epoch_; }                   // epochs completed
  const std::vector<bucket>& buckets() const { return buckets_; }
  // Seconds spent in step() waiting for gradients after the backward pass was done.
  double seconds_waited() const { return waited_; }

 private:
  static options_type checked(options_type o) {
    if (o.batch < 1) throw usage_error("trainer: batch must be at least 1, it is " + std::to_string(o.batch));
    if (o.iter_size < 1)
      throw usage_error("trainer: iter_size must be at least 1, it is " + std::to_string(o.iter_size));
    if (o.threads < 0) throw usage_error("trainer: threads must not be negative");
    if (!o.learning_rate) throw usage_error("trainer: there is no learning-rate policy");
    return o;
  }

  template <class Dataset>
  void check_extents(const Dataset& dataset) const {
    if (!(dataset.extents() == model_type::the_plan.values[0].extents))
      throw usage_error("trainer: the samples of the data set do not have the shape of the network's input");
    if constexpr (data::regression_dataset<Dataset>) {
      if (!(dataset.target_extents() == memory::target_shape))
        throw usage_error("trainer: the targets of the data set do not have the shape the loss compares");
    }
  }

  static batch_view view(const data::host_batch& b) {
    return {b.values.data(), b.labels.data(), b.targets.data(), b.samples, b.first_slot};
  }

  void load(const batch_view& b) {
    model_.load(b.values, b.samples);
    if constexpr (memory::uses_labels) model_.load_labels(b.labels);
    if constexpr (memory::target_shape.elements() > 0) model_.load_targets(b.targets);
  }

  void accumulate(const batch_view& b, int global_samples, std::size_t index, bool last) {
    const pass now{true, options_.seed, std::uint32_t(iteration_ * options_.iter_size) + std::uint32_t(index),
                   std::uint32_t(b.first_slot)};
    load(b);
    model_.forward(now);
    double results[memory::results];
    model_.results(results);
    loss_ += weighted_loss<Net, Device>(results) / global_samples;
    const T loss = T(loss_);
    if (last) model_.device().upload(model_.gradients() + memory::parameter_elements, &loss, 1);
    next_bucket_ = 0;
    model_.backward(1.0 / global_samples, now, index > 0, [&](int op) {
      if (!last) return;
      while (next_bucket_ < buckets_.size() && (buckets_[next_bucket_].ready_op == op || op == 0)) send(next_bucket_++);
      communicator_->progress();
    });
  }

  void send(std::size_t b) {
    const std::size_t first = buckets_[b].first, count = buckets_[b].last - first;
    if constexpr (Device::host_memory_is_device_memory) {
      communicator_->template start<T>(int(b), {model_.gradients() + first, count});
    } else {
      model_.device().download(staged_.data() + first, model_.gradients() + first, count);
      communicator_->template start<T>(int(b), {staged_.data() + first, count});
    }
  }

  double finish() {
    const stopwatch watch;
    communicator_->wait_all();
    waited_ += watch.seconds();
    if constexpr (!Device::host_memory_is_device_memory)
      if (communicator_->size() > 1)
        model_.device().upload(model_.gradients(), staged_.data(), memory::parameter_elements + 1);
    T loss{};
    model_.device().download(&loss, model_.gradients() + memory::parameter_elements, 1);
    if (!std::isfinite(loss))
      throw numeric_error("the loss is not finite at iteration " + std::to_string(iteration_) +
                          "; parameters are as before it (learning rate " +
                          std::to_string(options_.learning_rate(iteration_)) + ")");
    T* state[Solver::state_arrays + 1] = {};
    for (int i = 0; i < Solver::state_arrays; ++i) state[i] = state_[std::size_t(i)].data();
    model_.device().for_each(memory::parameter_elements,
                             options_.solver.update(model_.parameters(), static_cast<const T*>(model_.gradients()),
                                                    state, options_.learning_rate(iteration_)));
    ++iteration_;
    return loss;
  }

  template <class Dataset, class AfterEpoch, class... Observers>
  void fit_and(const Dataset& dataset, const fit_options& o, AfterEpoch after_epoch, Observers&... observers) {
    if (o.epochs <= 0 && o.iterations <= 0) throw usage_error("fit: say how many epochs or iterations");
    check_extents(dataset);
    const data::sampler order(dataset.size(), {options_.batch, o.shuffle, options_.seed, o.last});
    const std::int64_t steps = order.steps_per_epoch(), stop = o.iterations > 0 ? iteration_ + o.iterations : INT64_MAX;
    const int end = o.epochs > 0 ? epoch_ + o.epochs : INT32_MAX;
    data::prefetcher<Dataset> batches(dataset, order, communicator_->rank(), communicator_->size(), o.prefetch, epoch_,
                                      step_);
    run_watch watch(o.epochs > 0 ? end : 0, steps);
    while (epoch_ < end && iteration_ < stop) {
      watch.begin_epoch();
      while (step_ < steps && iteration_ < stop) {
        const std::int64_t left = steps - step_, passes = left < options_.iter_size ? left : options_.iter_size;
        int samples = 0;
        for (std::int64_t i = 0; i < passes; ++i) samples += order.slots(step_ + i).count;
        loss_ = 0;
        for (std::int64_t i = 0; i < passes; ++i)
          accumulate(view(batches.next()), samples, std::size_t(i), i + 1 == passes);
        const double rate = options_.learning_rate(iteration_), loss = finish();
        step_ += passes;
        [[maybe_unused]] const step_event event = watch.step(iteration_, epoch_, step_ - 1, loss, rate, samples);
        (observers.on(event), ...);
        if (step_ < steps) continue;
        [[maybe_unused]] const epoch_event done = watch.epoch(iteration_, epoch_);
        (observers.on(done), ...);
        ++epoch_, step_ = 0;
        after_epoch();
        break;
      }
    }
  }

  std::unique_ptr<Communicator> communicator_;
  options_type options_;
  model_type model_;
  std::vector<bucket> buckets_;
  std::vector<typename Device::template memory<T>> state_;
  std::vector<T> staged_;
  std::size_t next_bucket_ = 0;
  std::int64_t iteration_ = 0, step_ = 0;  // step_: within the epoch, where the next fit goes on
  int epoch_ = 0;
  double loss_ = 0, waited_ = 0;

  // Whatever is under way when an exception passes reads and writes the arenas: the communicator goes before they do.
  struct hang_up {
    std::unique_ptr<Communicator>& communicator;
    ~hang_up() { communicator.reset(); }
  } first_to_go_{communicator_};
};

}  // namespace firecaffe
