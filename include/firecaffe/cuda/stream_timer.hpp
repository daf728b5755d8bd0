#pragma once

#include <limits>

#include "kernels.hpp"
#include "streams.hpp"

namespace firecaffe {

// Lasts for some hundred microseconds.
struct wait_a_little {
  __device__ void operator()(std::uint32_t) const {
    const long long begin = clock64();
    while (clock64() - begin < (1 << 18)) {
    }
  }
};

// Times what a stream is asked for again and again.
class stream_timer {
 public:
  stream_timer(cudaStream_t stream, int device)
      : stream_(stream), device_(device), begin_(make_timer(device)), end_(make_timer(device)) {}

  // Of a call of f, after one that is not counted; longer than anything where one fails.
  template <class F>
  float milliseconds(F f) try {
    f();
    const float once = of_calls(1, f);
    return once > 0.25f ? once : of_calls(5, f) / 5;  // the shorter, the less one says
  } catch (const error&) {
    cudaStreamSynchronize(stream_);  // its memory may go now
    return std::numeric_limits<float>::infinity();
  }

 private:
  // The stream is busy until all of it is asked for: how long the host takes to ask is not counted.
  template <class F>
  float of_calls(int count, F& f) {
    launch_for_each(1, wait_a_little{}, stream_, device_);
    record_event(begin_, stream_, device_);
    for (int i = 0; i < count; ++i) f();
    record_event(end_, stream_, device_);
    check_status(cudaEventSynchronize(end_.get()), "cudaEventSynchronize", device_);
    float took = 0;
    check_status(cudaEventElapsedTime(&took, begin_.get(), end_.get()), "cudaEventElapsedTime", device_);
    return took;
  }

  cudaStream_t stream_;
  int device_;
  owned_event begin_, end_;
};

}  // namespace firecaffe
