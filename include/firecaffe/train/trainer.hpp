#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "../comm/contract.hpp"
#include "../core/timeline.hpp"
#include "../data/prefetch.hpp"
#include "../network/model.hpp"
#include "../solvers/contract.hpp"
#include "fingerprint.hpp"
#include "gradient_exchange.hpp"
#include "progress.hpp"
#include "updater.hpp"

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
// same update, of each bucket as it arrives. The result depends on the number of ranks only through the order of
// floating-point additions; when messages arrive changes nothing. The loss is summed first, exactly and in double, so
// that no update is made when it is not finite.
//
// The gradients lie in the communicator's memory where it has such (`allocate`): ranks of a node then add in place.
//
// Ranks that were built for different networks, solvers, learning rates, batches or seeds get a communication_error
// from the constructor.
template <class Net, class Solver, gradient_communicator Communicator, class Device>
class trainer {
 public:
  using T = typename Device::scalar;
  using model_type = model<Net, Device>;
  using options_type = trainer_options<Solver>;
  using memory = typename model_type::memory;
  static_assert(trainable<Net>::value);

  // `endpoint` and what follows the options make the communicator: communicator_options, ...
  template <class Endpoint, class... CommunicatorOptions>
  trainer(Endpoint&& endpoint, options_type o, const CommunicatorOptions&... c)
      : communicator_(std::make_unique<Communicator>(std::forward<Endpoint>(endpoint), c...)),
        options_(checked(std::move(o))),
        model_(Device::for_rank(communicator_->node_rank(), communicator_->node_size(), options_.threads),
               (options_.batch + communicator_->size() - 1) / communicator_->size(), options_.seed,
               gradient_memory(*communicator_)),
        buckets_(buckets_of<Net, Device>(bucket_bytes(options_))),
        updater_(model_.device(), model_type::the_parameters.list, model_type::the_parameters.count,
                 memory::parameter_elements, buckets_, options_.clip),
        exchange_(model_.device(), model_.gradients(), memory::gradient_elements, buckets_.size(),
                  communicator_->size() == 1) {
    for (std::size_t b = 0; b < buckets_.size(); ++b) communicator_->template prepare<T>(int(b), elements(b));
    communicator_->template prepare<double>(loss_bucket(), 1, true);
    const std::string description =
        fingerprint<Net, Device>(options_.solver, options_.batch, options_.iter_size, options_.seed) +
        ", learning rate" + course_of(options_.learning_rate) + ", clip" + number_text(options_.clip) +
        ", buckets of " + std::to_string(bucket_bytes(options_)) + " bytes";
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
  // The solver's array `i` of Solver::state_arrays, in the device's memory: it lies as network().parameters() does.
  T* solver_state(int i) { return updater_.state(i); }
  // Seconds spent in step() waiting for gradients after the backward pass was done.
  double seconds_waited() const { return waited_; }
  // Seconds that fit() has waited for batches: what decoding and transforming cost beyond what went on in the
  // background.
  double seconds_waited_for_data() const { return data_waited_; }
  // Where every op, update and wait of this rank is recorded from now on, and every message; nullptr: nowhere. With a
  // progress thread the two must be apart.
  void record_into(timeline* log, timeline* messages) {
    log_ = log;
    if constexpr (requires { communicator_->record_into(messages); }) communicator_->record_into(messages);
  }

 private:
  static options_type checked(options_type o) {
    if (o.batch < 1) throw usage_error("trainer: batch must be at least 1, it is " + std::to_string(o.batch));
    if (o.iter_size < 1)
      throw usage_error("trainer: iter_size must be at least 1, it is " + std::to_string(o.iter_size));
    if (o.threads < 0) throw usage_error("trainer: threads must not be negative");
    if (!(o.clip >= 0)) throw usage_error("trainer: clip must not be negative");
    if (const char* fault = o.solver.fault()) throw usage_error(std::string(Solver::name) + ": " + fault);
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

  static std::size_t bucket_bytes(const options_type& o) {
    if (o.bucket_bytes > 0) return o.bucket_bytes;
    return std::max(std::size_t{1} << 20, memory::parameter_elements * sizeof(T) / 64);
  }
  int loss_bucket() const { return int(buckets_.size()); }

  static T* gradient_memory(Communicator& communicator) {
    if constexpr (Device::host_memory_is_device_memory && requires { communicator.template allocate<T>(1); }) {
      T* const memory_of_all = communicator.template allocate<T>(memory::gradient_elements);
      std::fill_n(memory_of_all, memory::gradient_elements, T(0));  // what pads parameters counts in norms
      return memory_of_all;
    } else {
      return nullptr;
    }
  }

  void accumulate(const batch_view& b, int global_samples, std::size_t index, bool last) {
    const pass now{true, options_.seed, std::uint32_t(iteration_ * options_.iter_size) + std::uint32_t(index),
                   std::uint32_t(b.first_slot)};
    span_recorder record(log_);
    load(b);
    record(span_kind::load, 0);
    model_.forward(now, [&](int op) { record(span_kind::forward, op); });
    double results[memory::results];
    model_.results(results);
    loss_ += weighted_loss<Net, Device>(results) / global_samples;
    sent_ = started_ = updated_ = 0;
    if (last) communicator_->start(loss_bucket(), std::span<double>{&loss_, 1});
    model_.backward(1.0 / global_samples, now, index > 0, [&](int op) {
      record(span_kind::backward, op);
      if (!last) return;
      for (; sent_ < buckets_.size() && (buckets_[sent_].ready_op == op || op == 0); ++sent_)
        exchange_.leave(sent_, buckets_[sent_].first, elements(sent_));
      start_what_has_left();
      communicator_->progress();
      while (updated_ < started_ && communicator_->finished(int(updated_)) && update(updated_)) ++updated_;
      record.skip();
    });
  }

  std::size_t elements(std::size_t b) const { return buckets_[b].last - buckets_[b].first; }

  // Buckets start in order, the same on all ranks.
  void start_what_has_left() {
    for (; started_ < sent_ && exchange_.has_left(started_); ++started_)
      communicator_->template start<T>(int(started_), exchange_.on_host(buckets_[started_].first, elements(started_)));
  }

  // Takes the summed gradients of bucket b. False, and nothing done, until the loss is known to be finite.
  bool update(std::size_t b) {
    if (!communicator_->finished(loss_bucket()) || !std::isfinite(loss_)) return false;
    span_recorder record(log_);
    exchange_.come_back(buckets_[b].first, elements(b));
    updater_.apply(model_.device(), options_.solver, model_.parameters(), model_.gradients(), b,
                   options_.learning_rate(iteration_), iteration_);
    record(span_kind::update, int(b));
    return true;
  }

  double finish() {
    communicator_wait(loss_bucket());
    if (!std::isfinite(loss_)) {
      while (started_ < sent_) start_what_has_left();  // others wait for them
      communicator_->wait_all();
      throw numeric_error("the loss is not finite at iteration " + std::to_string(iteration_) +
                          "; parameters are as before it (learning rate " +
                          std::to_string(options_.learning_rate(iteration_)) + ")");
    }
    while (updated_ < buckets_.size()) {
      start_what_has_left();
      if (started_ == sent_)
        communicator_wait(int(updated_));
      else if (!communicator_->progress())
        std::this_thread::yield();
      while (updated_ < started_ && communicator_->finished(int(updated_))) update(updated_++);
    }
    ++iteration_;
    return loss_;
  }

  void communicator_wait(int b) {
    if (communicator_->finished(b)) return;
    const stopwatch watch;
    span_recorder record(log_);
    communicator_->wait(b);
    record(span_kind::wait, b);
    waited_ += watch.seconds();
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
        const double waited = batches.seconds_waited();
        for (std::int64_t i = 0; i < passes; ++i)
          accumulate(view(batches.next()), samples, std::size_t(i), i + 1 == passes);
        data_waited_ += batches.seconds_waited() - waited;
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
  updater<Solver, Device> updater_;
  gradient_exchange<Device> exchange_;
  std::size_t sent_ = 0, started_ = 0,
              updated_ = 0;  // buckets of this step: on their way to the communicator, there, done
  timeline* log_ = nullptr;
  std::int64_t iteration_ = 0, step_ = 0;  // step_: within the epoch, where the next fit goes on
  int epoch_ = 0;
  double loss_ = 0, waited_ = 0, data_waited_ = 0;

  // Whatever is under way when an exception passes reads and writes the arenas: the communicator goes before they do.
  struct hang_up {
    std::unique_ptr<Communicator>& communicator;
    ~hang_up() { communicator.reset(); }
  } first_to_go_{communicator_};
};

}  // namespace firecaffe
