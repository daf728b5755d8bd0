#pragma once

#include <cstddef>
#include <cstring>
#include <memory>

#include "streams.hpp"

namespace firecaffe {

// Of the current device, which is `device`; cudaFree takes it.
inline void* allocate_on(int device, std::size_t bytes) {
  void* p = nullptr;
  const cudaError_t status = cudaMalloc(&p, bytes);
  if (status != cudaSuccess)
    check_status(status, ("cudaMalloc of " + std::to_string(bytes) + " bytes").c_str(), device);
  return p;
}

// Zeroed memory of a device. Freeing it waits for what the device still does: CUDA promises no more than that it may,
// and memory that goes in the middle of work is waited for.
template <class T>
class device_memory {
 public:
  device_memory() = default;
  device_memory(std::size_t count, int device, cudaStream_t stream) : size_(count) {
    if (count == 0) return;
    const device_scope scope(device);
    data_.reset(static_cast<T*>(allocate_on(device, bytes())));
    check_status(cudaMemsetAsync(data(), 0, bytes(), stream), "cudaMemsetAsync", device);
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

// Page-locked memory of the host: copies from and to it go on beside everything else.
template <class T>
class pinned_memory {
 public:
  explicit pinned_memory(std::size_t count = 0) {
    if (count == 0) return;
    void* p = nullptr;
    const cudaError_t status = cudaMallocHost(&p, count * sizeof(T));
    if (status != cudaSuccess) {
      int device = 0;
      cudaGetDevice(&device);
      check_status(status, ("cudaMallocHost of " + std::to_string(count * sizeof(T)) + " bytes").c_str(), device);
    }
    data_.reset(static_cast<T*>(p));
  }
  T* data() const { return data_.get(); }

 private:
  struct release {
    void operator()(T* p) const { cudaFreeHost(p); }
  };
  std::unique_ptr<T, release> data_;
};

// Host memory on its way to a device: page-locked pieces, some being filled while others are sent. What is passed to
// `send` may be changed or freed as soon as it returns. There are enough of them that the few small things a step needs
// can be sent while the step before, which they wait behind, goes on. A piece is allocated when first used.
class staging {
 public:
  staging() = default;
  staging(const staging&) = delete;
  staging& operator=(const staging&) = delete;
  ~staging() {
    for (piece& p : pieces_)
      if (p.sent) cudaEventSynchronize(p.sent.get());
  }

  void send(void* to, const void* from, std::size_t bytes, int device, cudaStream_t stream) {
    for (std::size_t done = 0; done < bytes;) {
      piece& p = pieces_[next_];
      next_ = (next_ + 1) % count;
      if (!p.sent)
        p.data = pinned_memory<char>(piece_bytes), p.sent = make_event(device);
      else
        check_status(cudaEventSynchronize(p.sent.get()), "cudaEventSynchronize", device);
      const std::size_t n = bytes - done < piece_bytes ? bytes - done : piece_bytes;
      std::memcpy(p.data.data(), static_cast<const char*>(from) + done, n);
      check_status(cudaMemcpyAsync(static_cast<char*>(to) + done, p.data.data(), n, cudaMemcpyHostToDevice, stream),
                   "cudaMemcpyAsync to the device", device);
      record_event(p.sent, stream, device);
      done += n;
    }
  }

 private:
  static constexpr std::size_t piece_bytes = std::size_t{1} << 19, count = 32;
  struct piece {
    pinned_memory<char> data;
    owned_event sent;
  };
  piece pieces_[count];
  std::size_t next_ = 0;
};

}  // namespace firecaffe
