#pragma once

#include <chrono>
#include <vector>

#include "device.hpp"

namespace firecaffe {

// Times of the device, as train/work_log.hpp asks for them: events on its stream, told by how long they were before one
// that the host has just waited for. Good to some 10 microseconds, the differences between them to one.
class cuda_marks {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  explicit cuda_marks(cuda_device&) {}

  void leave(cuda_device& device) {
    const device_scope scope(device.ordinal());
    if (left_ == events_.size()) events_.push_back(make_timer(device.ordinal()));
    record_event(events_[left_++], device.stream(), device.ordinal());
  }

  std::vector<time_point> times(cuda_device& device) {
    leave(device);
    check_status(cudaEventSynchronize(events_[left_ - 1].get()), "cudaEventSynchronize", device.ordinal());
    const time_point now = std::chrono::steady_clock::now();
    std::vector<time_point> out;
    for (std::size_t i = 0; i + 1 < left_; ++i) {
      float before = 0;
      check_status(cudaEventElapsedTime(&before, events_[i].get(), events_[left_ - 1].get()), "cudaEventElapsedTime",
                   device.ordinal());
      out.push_back(now -
                    std::chrono::duration_cast<time_point::duration>(std::chrono::duration<float, std::milli>(before)));
    }
    left_ = 0;
    return out;
  }

 private:
  std::vector<owned_event> events_;
  std::size_t left_ = 0;
};

}  // namespace firecaffe
