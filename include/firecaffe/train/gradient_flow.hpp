#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "../core/timeline.hpp"
#include "../network/parameters.hpp"
#include "gradient_exchange.hpp"
#include "progress.hpp"

namespace firecaffe {

// The gradients of a step on their way: buckets leave as the backward pass completes them, are summed over the ranks,
// and come back to be used, in order. Before them goes the loss, whose sum must be finite before any is used. All ranks
// start the same things in the same order.
template <class Communicator, class Device>
class gradient_flow {
 public:
  using T = typename Device::scalar;

  gradient_flow(Communicator& communicator, Device& device, T* gradients, std::size_t elements,
                std::vector<bucket> buckets)
      : communicator_(communicator),
        buckets_(std::move(buckets)),
        exchange_(device, gradients, elements, buckets_.size(), communicator.size() == 1) {
    for (std::size_t b = 0; b < buckets_.size(); ++b) communicator_.template prepare<T>(int(b), elements_of(b));
    communicator_.template prepare<double>(loss_bucket(), 1, true);
  }

  const std::vector<bucket>& buckets() const { return buckets_; }
  double seconds_waited() const { return waited_; }  // in finish()

  void begin() { sent_ = started_ = used_ = 0, loss_known_ = false; }

  // This rank's loss; from finish() on that of all.
  void start_loss(double loss) {
    loss_ = loss, loss_known_ = true;
    communicator_.start(loss_bucket(), std::span<double>{&loss_, 1});
  }
  bool loss_known() const { return loss_known_; }
  double loss() const { return loss_; }

  // Whether a bucket is complete after op `op` of the backward pass, the first op being the last to come.
  bool completes(int op) const {
    return op == 0 || std::any_of(buckets_.begin(), buckets_.end(), [op](const bucket& b) { return b.ready_op == op; });
  }

  // The device has been asked for op `op`: what that completes leaves, what has left is started once the loss is, and
  // use(b) is called for what has come back.
  template <class Use>
  void after(int op, Use use) {
    for (; sent_ < buckets_.size() && (buckets_[sent_].ready_op == op || op == 0); ++sent_)
      exchange_.leave(sent_, buckets_[sent_].first, elements_of(sent_));
    start_what_has_left();
    communicator_.progress();
    if (loss_known_ && communicator_.finished(loss_bucket()) && std::isfinite(loss_)) use_what_has_come(use);
  }

  // Waits for all of it, the loss having been started. False, and nothing more is used, when the loss is not finite.
  // Waits are recorded in `log`, if it is not null.
  template <class Use>
  bool finish(timeline* log, Use use) {
    while (started_ < sent_ && !communicator_.finished(loss_bucket())) move();  // others may wait for a bucket first
    wait(loss_bucket(), log);
    if (!std::isfinite(loss_)) {
      while (started_ < sent_) move();  // others wait for them
      communicator_.wait_all();
      return false;
    }
    while (used_ < buckets_.size()) {
      move();
      if (started_ == sent_) wait(int(used_), log);
      use_what_has_come(use);
    }
    return true;
  }

 private:
  int loss_bucket() const { return int(buckets_.size()); }
  std::size_t elements_of(std::size_t b) const { return buckets_[b].last - buckets_[b].first; }

  void start_what_has_left() {
    for (; loss_known_ && started_ < sent_ && exchange_.has_left(started_); ++started_)
      communicator_.template start<T>(int(started_),
                                      exchange_.summands(buckets_[started_].first, elements_of(started_)));
  }

  void move() {
    start_what_has_left();
    communicator_.progress();
    if (started_ < sent_) std::this_thread::yield();  // the device is at it
  }

  template <class Use>
  void use_what_has_come(Use& use) {
    for (; used_ < started_ && communicator_.finished(int(used_)); ++used_) {
      exchange_.come_back(buckets_[used_].first, elements_of(used_));
      use(used_);
    }
  }

  void wait(int b, timeline* log) {
    if (communicator_.finished(b)) return;
    const stopwatch watch;
    span_recorder record(log);
    communicator_.wait(b);
    record(span_kind::wait, b);
    waited_ += watch.seconds();
  }

  Communicator& communicator_;
  std::vector<bucket> buckets_;
  gradient_exchange<Device, Communicator> exchange_;
  std::size_t sent_ = 0, started_ = 0, used_ = 0;  // buckets: on their way to the communicator, there, done with
  double loss_ = 0, waited_ = 0;
  bool loss_known_ = false;
};

}  // namespace firecaffe
