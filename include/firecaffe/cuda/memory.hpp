#pragma once

#include <cstddef>
#include <cstring>
#include <memory>

#include "check.hpp"

namespace firecaffe {

// Zeroed memory of a device. Freeing it waits for what the device still does.
template <class T>
class device_memory {
 public:
  device_memory() = default;
  device_memory(std::size_t count, int device, cudaStream_t stream) : size_(count) {
    if (count == 0) return;
    const device_scope scope(device);
    void* p = nullptr;
    const cudaError_t status = cudaMalloc(&p, bytes());
    if (status != cudaSuccess)
      check_status(status, ("cudaMalloc of " + std::to_string(bytes()) + " bytes").c_str(), device);
    data_.reset(static_cast<T*>(p));
    check_status(cudaMemsetAsync(p, 0, bytes(), stream), "cudaMemsetAsync", device);
  }
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  struct release {
    void operator()(T* p) const { cudaFree(p); }
  };
  std::unique_ptr<T, release> data_;
  std::size_t size_ = 0;
};

// Host memory on its way to a device: two page-locked pieces, one being filled while the other is sent. What is passed
// to `send` may be changed or freed as soon as it returns. The pieces are allocated when first used.
class staging {
 public:
  staging() = default;
  staging(const staging&) = delete;
  staging& operator=(const staging&) = delete;
  ~staging() {
    for (piece& p : pieces_) {
      if (p.sent) cudaEventSynchronize(p.sent), cudaEventDestroy(p.sent);
      if (p.data) cudaFreeHost(p.data);
    }
  }

  void send(void* to, const void* from, std::size_t bytes, int device, cudaStream_t stream);

 private:
  static constexpr std::size_t piece_bytes = std::size_t{4} << 20;
  struct piece {
    void* data = nullptr;
    cudaEvent_t sent = nullptr;
  };
  piece pieces_[2];
  int next_ = 0;
};

inline void staging::send(void* to, const void* from, std::size_t bytes, int device, cudaStream_t stream) {
  for (std::size_t done = 0; done < bytes;) {
    piece& p = pieces_[next_];
    next_ = 1 - next_;
    if (!p.data) check_status(cudaMallocHost(&p.data, piece_bytes), "cudaMallocHost", device);
    if (!p.sent)
      check_status(cudaEventCreateWithFlags(&p.sent, cudaEventDisableTiming), "cudaEventCreate", device);
    else
      check_status(cudaEventSynchronize(p.sent), "cudaEventSynchronize", device);
    const std::size_t n = bytes - done < piece_bytes ? bytes - done : piece_bytes;
    std::memcpy(p.data, static_cast<const char*>(from) + done, n);
    check_status(cudaMemcpyAsync(static_cast<char*>(to) + done, p.data, n, cudaMemcpyHostToDevice, stream),
                 "cudaMemcpyAsync to the device", device);
    check_status(cudaEventRecord(p.sent, stream), "cudaEventRecord", device);
    done += n;
  }
}

}  // namespace firecaffe
