#pragma once

#include <vector>

#include "../core/timeline.hpp"

namespace firecaffe {

// Records what a rank's device does, op by op. Here, where that is done when it is asked for: by the host's clock.
template <class Device>
class work_log {
 public:
  explicit work_log(Device&) {}
  void record_into(timeline* log) { log_ = log; }
  timeline* log() const { return log_; }
  span_recorder recorder(Device&) { return span_recorder(log_); }
  void settle(Device&) {}

 private:
  timeline* log_ = nullptr;
};

// A device that works on its own has
//   Device::marks(Device&)
//   marks.leave(device)       behind the work asked for so far
//   marks.times(device)       when each was passed, by the host's clock, in their order; waits for the last and forgets
//                             all
// Spans reach the timeline when the step is done, which is waited for: a recorded step does not run into the next.
template <class Device>
requires requires { typename Device::marks; }
class work_log<Device> {
 public:
  explicit work_log(Device& device) : marks_(device) {}
  void record_into(timeline* log) { log_ = log; }
  timeline* log() const { return log_; }

  // As span_recorder.
  class recorder_type {
   public:
    recorder_type(work_log& to, Device& device) : to_(to), device_(device) { skip(); }
    void operator()(span_kind kind, int id) {
      if (!to_.log_) return;
      to_.open_.push_back({kind, id, last_, to_.leave(device_)});
      last_ = to_.open_.back().end;
    }
    void skip() {
      if (to_.log_) last_ = to_.leave(device_);
    }

   private:
    work_log& to_;
    Device& device_;
    std::size_t last_ = 0;
  };
  recorder_type recorder(Device& device) { return {*this, device}; }

  void settle(Device& device) {
    if (count_ == 0) return;
    const std::vector<time_span::time_point> when = marks_.times(device);
    if (log_)
      for (const marked& m : open_) log_->record(m.kind, m.id, -1, when[m.begin], when[m.end]);
    open_.clear(), count_ = 0;
  }

 private:
  struct marked {
    span_kind kind;
    int id;
    std::size_t begin, end;
  };
  std::size_t leave(Device& device) {
    marks_.leave(device);
    return count_++;
  }

  typename Device::marks marks_;
  timeline* log_ = nullptr;
  std::vector<marked> open_;
  std::size_t count_ = 0;
};

}  // namespace firecaffe
