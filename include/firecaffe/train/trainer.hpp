#pragma once

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../comm/contract.hpp"
#include "../network/model.hpp"
#include "batches.hpp"
#include "evaluation.hpp"
#include "fingerprint.hpp"
#include "gradient_exchange.hpp"
#include "gradient_flow.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "replayed_steps.hpp"
#include "updater.hpp"
#include "work_log.hpp"

namespace firecaffe {

// Synchronous data-parallel training: every rank of the communicator runs the same network on its share of the global
// batch, gradients are summed over the ranks bucket by bucket while the backward pass goes on, and every rank makes the
// same update, of each bucket as it arrives. The result depends on the number of ranks only through the order of
// floating-point additions; when messages arrive changes nothing. The loss is summed first, exactly and in double, so
// that no update is made when it is not finite.
//
// The gradients lie in the communicator's memory where it has such (`allocate`): ranks of a node then add in place.
// Those of a device with a memory of its own are summed there by a communicator that reaches it, else on the host.
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
               gradient_memory<Device>(*communicator_, memory::gradient_elements)),
        flow_(*communicator_, model_.device(), model_.gradients(), memory::gradient_elements,
              buckets_of<Net, Device>(bucket_size())),
        updater_(model_.device(), model_type::the_parameters.list, model_type::the_parameters.count,
                 memory::parameter_elements, flow_.buckets(), options_.clip),
        log_(model_.device()),
        passes_(model_.device(), options_.graphs),
        evaluation_(model_.device(), options_.graphs),
        replay_(model_.device(), updater_, communicator_->size() == 1) {
    const std::string description =
        fingerprint<Net, Device>(options_.solver, options_.batch, options_.iter_size, options_.seed) +
        ", learning rate" + course_of(options_.learning_rate) + ", clip" + number_text(options_.clip) +
        ", buckets of " + std::to_string(bucket_size()) + " bytes";
    communicator_->agree(hash_of(description), description);
  }

  // One update from `iter_size` (or fewer) passes; `global_samples` is what the passes have on all ranks together. All
  // ranks call it together. Returns the mean loss, the same on every rank. Throws numeric_error, before any parameter
  // is touched, when it is not finite.
  double step(std::span<const batch_view> passes, int global_samples) {
    if (under_way_ > 0) throw usage_error("trainer: a step is under way: settle() it first");
    begin(passes, global_samples);
    return finish();
  }
  double step(const batch_view& one, int global_samples) { return step({&one, 1}, global_samples); }

  // A step in two parts: begin() may return before it is done, settle() waits for the oldest that was begun and returns
  // its loss. Two may be under way, which keeps a device busy that works on its own. Either may throw the numeric_error
  // of the oldest; no step is under way then. The passes' memory is the caller's again when begin() returns.
  void begin(std::span<const batch_view> passes, int global_samples) {
    if (passes.empty() || global_samples < 1) throw usage_error("trainer: a step needs a pass and at least one sample");
    if (under_way_ == 2) throw usage_error("trainer: two steps are under way: settle() one before the next");
    for (std::size_t i = 0; i < passes.size(); ++i) accumulate(passes[i], global_samples, i, i + 1 == passes.size());
  }
  void begin(const batch_view& one, int global_samples) { begin({&one, 1}, global_samples); }
  double settle() {
    if (under_way_ == 0) throw usage_error("trainer: no step is under way");
    return finish();
  }

  // Trains on `dataset`, the same on all ranks; each observer is told of steps and epochs by `on(event)`. On a device
  // that works on its own the next step may be under way when it hears of one: iteration() and parameters count it.
  template <data::dataset Dataset, class... Observers>
  void fit(const Dataset& dataset, const fit_options& o, Observers&... observers) {
    const auto nothing = [] {};
    fit_and(dataset, o, nothing, observers...);
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
    check_extents<Net, Device>(dataset);
    complete_begun();
    const stopwatch watch;
    const data::sampler order(dataset.size(), {.batch = model_.capacity() * communicator_->size(), .shuffle = false});
    data::prefetcher<Dataset> batches(dataset, order, communicator_->rank(), communicator_->size(),
                                      {.batches = order.steps_per_epoch()});
    evaluation_.begin(model_.device());
    for (std::int64_t k = 0; k < order.steps_per_epoch(); ++k) {
      const batch_view b = view_of(batches.next());
      load_batch(model_, b);
      if (model_.samples() > 0) evaluation_.add(model_);
    }
    double sums[memory::results];
    evaluation_.sums(model_.device(), sums);
    communicator_->sum(sums);
    evaluation_event event = summarize<Net, Device>(sums, double(dataset.size()));
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
  const std::vector<bucket>& buckets() const { return flow_.buckets(); }
  // The solver's array `i` of Solver::state_arrays, in the device's memory: it lies as network().parameters() does.
  T* solver_state(int i) { return updater_.state(i); }
  // Seconds spent in step() waiting for gradients after the backward pass was done.
  double seconds_waited() const { return flow_.seconds_waited(); }
  // Seconds that fit() has waited for batches: what they cost beyond what went on in the background.
  double seconds_waited_for_data() const { return data_waited_; }
  // Where every op, update and wait of this rank is recorded from now on, and every message; nullptr: nowhere. With a
  // progress thread the two must be apart. While there is a log, a device that replays steps (CUDA graphs) is asked for
  // every op anew, and for no step before the last is done: that takes longer than training without.
  void record_into(timeline* log, timeline* messages) {
    log_.record_into(log);
    if constexpr (requires { communicator_->record_into(messages); }) communicator_->record_into(messages);
  }

 private:
  std::size_t bucket_size() const { return bucket_bytes(options_, memory::parameter_elements * sizeof(T)); }
  // Whether the device does passes as they were recorded. What goes into a timeline is asked for op by op.
  bool records() const { return records_passes<Device> && !log_.log(); }

  // Whether the device does steps by itself, so that another may be asked for before one is done.
  bool replays() const {
    if constexpr (replays_steps<Solver, Device>)
      return communicator_->size() == 1 && (!log_.log() || replay_.under_way() > 0);
    else
      return false;
  }

  void accumulate(const batch_view& b, int global_samples, std::size_t index, bool last) {
    if (index == 0) complete_begun();
    const pass now{true, options_.seed, std::uint32_t(iteration_ * options_.iter_size) + std::uint32_t(index),
                   std::uint32_t(b.first_slot)};
    if (replays()) {
      if constexpr (replays_steps<Solver, Device>) {
        replay_.ask(passes_, model_, b, updater_, options_.solver, now, global_samples, index == 0, last,
                    options_.learning_rate(iteration_), iteration_);
        if (last) ++iteration_, ++under_way_;
      }
      return;
    }
    flow_.begin();
    if (records())
      record(b, now, global_samples, index, last);
    else
      ask(b, now, global_samples, index, last);
    if (last) begun_ = true, ++under_way_;
  }

  // A pass of ops that were recorded, in pieces that end where buckets are complete.
  void record(const batch_view& b, const pass& now, int global_samples, std::size_t index, bool last) {
    if constexpr (records_passes<Device>) {
      static constexpr int after_forward = recorded_passes<Net, Device>::after_forward;
      passes_.ask(
          model_, b, now, global_samples, index == 0, last, 0,
          [this, last](int place) { return last && (place == after_forward || flow_.completes(place)); }, [] {},
          [this](int place) {
            if (place == after_forward)
              passes_.mark_loss(0, model_.device());
            else
              after(place);
          });
    }
  }

  // A pass op by op, which the host follows.
  void ask(const batch_view& b, const pass& now, int global_samples, std::size_t index, bool last) {
    if (index == 0) loss_ = 0, log_.settle(model_.device());
    auto record = log_.recorder(model_.device());
    load_batch(model_, b);
    record(span_kind::load, 0);
    model_.forward(now, [&](int op) { record(span_kind::forward, op); });
    double results[memory::results];
    model_.results(results);
    loss_ += weighted_loss<Net, Device>(results) / global_samples;
    if (last) flow_.start_loss(loss_);
    model_.backward(1.0 / global_samples, now, index > 0, [&](int op) {
      record(span_kind::backward, op);
      if (!last) return;
      after(op);
      record.skip();
    });
  }

  void after(int op) {
    take_loss(false);
    flow_.after(op, [this](std::size_t b) { update(b); });
  }

  // The loss of recorded passes, when it is there or waited for.
  void take_loss(bool waits) {
    if constexpr (records_passes<Device>)
      if (!flow_.loss_known() && (waits || passes_.loss_arrived(0))) flow_.start_loss(passes_.loss(0));
  }

  // The summed gradients of bucket b are there.
  void update(std::size_t b) {
    auto record = log_.recorder(model_.device());
    updater_.apply(model_.device(), options_.solver, model_.parameters(), model_.gradients(), b,
                   options_.learning_rate(iteration_), iteration_);
    record(span_kind::update, int(b));
  }

  // The loss of the oldest step under way, which is done then.
  double finish() {
    if constexpr (replays_steps<Solver, Device>) {
      if (done_.empty() && replay_.under_way() > 0) {
        const double loss = replay_.settle(passes_);
        --under_way_;
        if (std::isfinite(loss)) return loss;
        --iteration_, abandon();
        throw_not_finite();
      }
    }
    complete_begun();
    --under_way_;
    const double loss = done_.front();
    done_.erase(done_.begin());
    return loss;
  }
  void complete_begun() {
    if (std::exchange(begun_, false)) done_.push_back(complete());
  }

  // Nobody will ask for the losses of steps under way. Those whose loss is not finite, and all since, were no updates:
  // returns how many.
  std::int64_t abandon() {
    under_way_ = 0, begun_ = false;
    done_.clear();
    std::int64_t none = 0;
    if constexpr (replays_steps<Solver, Device>) none = replay_.abandon(passes_, model_.device());
    iteration_ -= none;
    return none;
  }

  [[noreturn]] void throw_not_finite() const {
    throw numeric_error("the loss is not finite at iteration " + std::to_string(iteration_) +
                        "; parameters are as before it (learning rate " +
                        std::to_string(options_.learning_rate(iteration_)) + ")");
  }

  double complete() {
    take_loss(true);
    if (!flow_.finish(log_.log(), [this](std::size_t b) { update(b); })) {
      abandon();
      throw_not_finite();
    }
    log_.settle(model_.device());
    ++iteration_;
    return flow_.loss();
  }

  template <class Dataset, class AfterEpoch, class... Observers>
  void fit_and(const Dataset& dataset, const fit_options& o, AfterEpoch after_epoch, Observers&... observers) {
    if (o.epochs <= 0 && o.iterations <= 0) throw usage_error("fit: say how many epochs or iterations");
    if (under_way_ > 0) throw usage_error("fit: a step is under way: settle() it first");
    check_extents<Net, Device>(dataset);
    const data::sampler order(dataset.size(), {options_.batch, o.shuffle, options_.seed, o.last});
    const std::int64_t stop = o.iterations > 0 ? iteration_ + o.iterations : INT64_MAX;
    if (step_ >= order.steps_per_epoch()) ++epoch_, step_ = 0;  // an observer threw, or the set was larger
    const int end = o.epochs > 0 ? epoch_ + o.epochs : INT32_MAX;
    data::prefetcher<Dataset> batches(dataset, order, communicator_->rank(), communicator_->size(), o.prefetch, epoch_,
                                      step_);
    const batch_memory<Device> held(model_.device(), batches);
    run_watch watch(o.epochs > 0 ? end : 0, order.steps_per_epoch());
    std::vector<step_asked> asked;
    try {
      run_epochs(batches, order, asked, end, stop, watch, after_epoch, observers...);
    } catch (...) {
      abandon();
      for (std::size_t i = asked.size(); i-- > 0;)  // the next fit goes on with the first that was no update
        if (asked[i].iteration >= iteration_) step_ = asked[i].first;
      throw;
    }
  }

  template <class Batches, class AfterEpoch, class... Observers>
  void run_epochs(Batches& batches, const data::sampler& order, std::vector<step_asked>& asked, int end,
                  std::int64_t stop, run_watch& watch, AfterEpoch& after_epoch, Observers&... observers) {
    const std::int64_t steps = order.steps_per_epoch();
    while (epoch_ < end && iteration_ < stop) {
      watch.begin_epoch();
      while (step_ < steps && iteration_ < stop) {
        const std::int64_t left = steps - step_, passes = left < options_.iter_size ? left : options_.iter_size;
        int samples = 0;
        for (std::int64_t i = 0; i < passes; ++i) samples += order.slots(step_ + i).count;
        asked.push_back({iteration_, step_, passes, options_.learning_rate(iteration_), samples});
        const double waited = batches.seconds_waited();
        for (std::int64_t i = 0; i < passes; ++i)
          accumulate(view_of(batches.next()), samples, std::size_t(i), i + 1 == passes);
        data_waited_ += batches.seconds_waited() - waited;
        step_ += passes;
        // One step may be under way while the next is asked for, but none when observers hear of an epoch or fit ends.
        const std::size_t may_wait = !log_.log() && replays() && step_ < steps && iteration_ < stop ? 1 : 0;
        while (asked.size() > may_wait) {
          const double loss = finish();
          [[maybe_unused]] const step_event event = watch.step(epoch_, asked.front(), loss);
          asked.erase(asked.begin());
          (observers.on(event), ...);
        }
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
  gradient_flow<Communicator, Device> flow_;
  updater<Solver, Device> updater_;
  work_log<Device> log_;
  std::int64_t iteration_ = 0, step_ = 0;  // step_: within the epoch, where the next fit goes on
  int epoch_ = 0;
  double loss_ = 0, data_waited_ = 0;  // loss_: of the passes so far, where the host follows them
  std::size_t under_way_ = 0;          // steps begun and not settled
  std::vector<double> done_;           // losses of those of them that are done
  bool begun_ = false;                 // the last of them is not
  recorded_passes<Net, Device> passes_;
  evaluation<Net, Device> evaluation_;
  replayed_steps<Net, Solver, Device> replay_;

  // What is under way when an exception passes reads and writes the arenas: the communicator goes before them.
  struct hang_up {
    std::unique_ptr<Communicator>& communicator;
    ~hang_up() { communicator.reset(); }
  } first_to_go_{communicator_};
};

}  // namespace firecaffe
