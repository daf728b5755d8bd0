#pragma once

#include "memory.hpp"

namespace firecaffe {

// Batches on their way to the device, on a stream of their own: one is copied while the device works on what it was
// asked for before, and waits in one of two buffers, that of the batch before the last. Page-locked memory is copied
// from directly, other memory by way of `staging`.
class input_feed {
 public:
  input_feed() = default;
  input_feed(const input_feed&) = delete;
  input_feed& operator=(const input_feed&) = delete;
  ~input_feed() {
    if (up_) cudaStreamSynchronize(up_.get());
  }

  // Where `bytes` from the host lie for what `main` is asked for next, up to `consumed`. The current device is
  // `device`; `from` may be changed as soon as this returns.
  void* send(const void* from, std::size_t bytes, int device, cudaStream_t main) {
    if (!up_) up_ = make_stream(device);
    slot& s = slots_[next_];
    if (!s.copied) s.copied = make_event(device), s.consumed = make_event(device);
    if (s.raw.bytes() < bytes) {
      check_status(cudaEventSynchronize(s.consumed.get()), "cudaEventSynchronize", device);
      s.raw = {};
      s.raw = device_memory<char>(bytes, device, up_.get());
    }
    wait_for_event(up_.get(), s.consumed, device);
    const bool direct = is_page_locked(from) && copies(s.raw.data(), from, bytes, device);
    if (!direct) pieces_.send(s.raw.data(), from, bytes, device, up_.get());
    chain_streams(s.copied, up_.get(), main, device);
    if (direct) check_status(cudaEventSynchronize(s.copied.get()), "cudaEventSynchronize", device);
    return s.raw.data();
  }
  // What `main` was asked for so far is all that reads it.
  void consumed(int device, cudaStream_t main) {
    record_event(slots_[next_].consumed, main, device);
    next_ = 1 - next_;
  }

 private:
  // Not what is page-locked at its beginning only: such memory is refused.
  bool copies(void* to, const void* from, std::size_t bytes, int device) {
    const cudaError_t status = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, up_.get());
    if (status == cudaErrorInvalidValue) return cudaGetLastError(), false;
    check_status(status, "cudaMemcpyAsync to the device", device);
    return true;
  }
  static bool is_page_locked(const void* p) {
    cudaPointerAttributes a{};
    if (cudaPointerGetAttributes(&a, p) == cudaSuccess) return a.type == cudaMemoryTypeHost;
    cudaGetLastError();
    return false;
  }

  struct slot {
    device_memory<char> raw;
    owned_event copied, consumed;
  };
  owned_stream up_;
  staging pieces_;
  slot slots_[2];
  int next_ = 0;
};

}  // namespace firecaffe
