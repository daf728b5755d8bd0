#pragma once

#include <memory>
#include <type_traits>

#include "check.hpp"

namespace firecaffe {

struct destroy_stream_or_event {
  void operator()(cudaStream_t s) const { cudaStreamDestroy(s); }
  void operator()(cudaEvent_t e) const { cudaEventDestroy(e); }
};
using owned_stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, destroy_stream_or_event>;
using owned_event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, destroy_stream_or_event>;

// Of the current device, which is `device`.
inline owned_stream make_stream(int device, int priority = 0) {
  cudaStream_t s = nullptr;
  check_status(cudaStreamCreateWithPriority(&s, cudaStreamNonBlocking, priority), "cudaStreamCreate", device);
  return owned_stream(s);
}
// One whose work goes first, for what others wait for.
inline owned_stream make_urgent_stream(int device) {
  int least = 0, greatest = 0;
  check_status(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange", device);
  return make_stream(device, greatest);
}
// An event that says when, beside whether.
inline owned_event make_timer(int device) {
  cudaEvent_t e = nullptr;
  check_status(cudaEventCreate(&e), "cudaEventCreate", device);
  return owned_event(e);
}
inline owned_event make_event(int device) {
  cudaEvent_t e = nullptr;
  check_status(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreate", device);
  return owned_event(e);
}

inline void record_event(const owned_event& e, cudaStream_t s, int device) {
  check_status(cudaEventRecord(e.get(), s), "cudaEventRecord", device);
}
inline bool has_passed(const owned_event& e, int device) {
  const cudaError_t status = cudaEventQuery(e.get());
  if (status != cudaErrorNotReady) check_status(status, "cudaEventQuery", device);
  return status == cudaSuccess;
}
// What `later` is asked for from now on waits for what was recorded, if anything was.
inline void wait_for_event(cudaStream_t later, const owned_event& e, int device) {
  check_status(cudaStreamWaitEvent(later, e.get(), 0), "cudaStreamWaitEvent", device);
}
// What `later` is asked for from now on waits for what `earlier` was asked for so far.
inline void chain_streams(const owned_event& between, cudaStream_t earlier, cudaStream_t later, int device) {
  record_event(between, earlier, device);
  wait_for_event(later, between, device);
}

// Whether what it is asked for is kept for a graph.
inline bool is_capturing(cudaStream_t s, int device) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_status(cudaStreamIsCapturing(s, &status), "cudaStreamIsCapturing", device);
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace firecaffe
