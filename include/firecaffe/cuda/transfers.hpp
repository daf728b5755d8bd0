#pragma once

#include <vector>

#include "memory.hpp"

namespace firecaffe {

// Copies in both directions on streams of their own, as train/gradient_exchange.hpp describes them. `main` is the
// device's stream, whose work they wait for and which waits for them.
class cuda_transfers {
 public:
  cuda_transfers(int ordinal, cudaStream_t main, std::size_t tickets) : ordinal_(ordinal), main_(main) {
    if (tickets == 0) return;
    const device_scope scope(ordinal_);
    down_ = make_stream(ordinal_), up_ = make_stream(ordinal_), back_ = make_event(ordinal_);
    for (std::size_t i = 0; i < tickets; ++i)
      ready_.push_back(make_event(ordinal_)), arrived_.push_back(make_event(ordinal_));
  }
  // Memory that is being read or written must not go first.
  ~cuda_transfers() {
    if (down_) cudaStreamSynchronize(down_.get());
    if (up_) cudaStreamSynchronize(up_.get());
  }

  void mark(std::size_t ticket) {
    const device_scope scope(ordinal_);
    record_event(ready_[ticket], main_, ordinal_);
  }
  bool passed(std::size_t ticket) const { return has_passed(ready_[ticket], ordinal_); }

  template <class T>
  void download(std::size_t ticket, T* to, const T* from, std::size_t count) {
    const device_scope scope(ordinal_);
    chain_streams(ready_[ticket], main_, down_.get(), ordinal_);
    check_status(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDeviceToHost, down_.get()),
                 "cudaMemcpyAsync to the host", ordinal_);
    record_event(arrived_[ticket], down_.get(), ordinal_);
  }
  bool arrived(std::size_t ticket) const { return has_passed(arrived_[ticket], ordinal_); }
  template <class T>
  void upload(T* to, const T* from, std::size_t count) {
    const device_scope scope(ordinal_);
    check_status(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyHostToDevice, up_.get()),
                 "cudaMemcpyAsync to the device", ordinal_);
    chain_streams(back_, up_.get(), main_, ordinal_);
  }

 private:
  int ordinal_;
  cudaStream_t main_;
  owned_stream down_, up_;
  owned_event back_;
  std::vector<owned_event> ready_, arrived_;
};

}  // namespace firecaffe
