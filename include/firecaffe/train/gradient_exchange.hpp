#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../comm/contract.hpp"

namespace firecaffe {

// Memory for gradients that is the communicator's, where it has such and the device can use it; else nullptr.
template <class Device, class Communicator, class T = typename Device::scalar>
T* gradient_memory(Communicator& communicator, std::size_t elements) {
  if constexpr (Device::host_memory_is_device_memory && requires { communicator.template allocate<T>(1); }) {
    T* const memory = communicator.template allocate<T>(elements);
    std::fill_n(memory, elements, T(0));  // what pads parameters counts in norms
    return memory;
  } else {
    return nullptr;
  }
}

// Where the communicator finds gradients and leaves their sums. Here, where the device's memory is the host's: where
// they are.
template <class Device, class Communicator>
class gradient_exchange {
  static_assert(!sums_on_device<Communicator> || !Device::host_memory_is_device_memory,
                "this communicator sums in the memory of a device, and the trainer's has none of its own");

 public:
  using T = typename Device::scalar;
  gradient_exchange(Device&, T* gradients, std::size_t, std::size_t, bool) : gradients_(gradients) {}

  void leave(std::size_t, std::size_t, std::size_t) {}
  static constexpr bool has_left(std::size_t) { return true; }
  std::span<T> summands(std::size_t first, std::size_t count) { return {gradients_ + first, count}; }
  void come_back(std::size_t, std::size_t) {}

 private:
  T* gradients_;
};

// For a device with a memory of its own: a copy in the host's, which buckets go to, and come back from summed, beside
// the work of the device. One rank alone copies nothing. Such a device has
//   device.allocate_host<T>(count)               memory of the host that it copies from and to best, a host_memory<T>
//   Device::transfers(Device&, tickets)
//   transfers.mark(ticket)                       the work asked for so far
//   transfers.passed(ticket)                     whether that is done
//   transfers.download(ticket, to, from, count)  begins when the work asked for so far is done; returns at once
//   transfers.arrived(ticket)                    whether that is there
//   transfers.upload(to, from, count)            begins at once; work asked for later waits for it; `from` is read
//                                                until a later download comes to it
template <class Device, class Communicator>
requires(!Device::host_memory_is_device_memory &&
         !sums_on_device<Communicator>) class gradient_exchange<Device, Communicator> {
 public:
  using T = typename Device::scalar;

  gradient_exchange(Device& device, T* gradients, std::size_t elements, std::size_t buckets, bool alone)
      : gradients_(gradients),
        alone_(alone),
        host_(device.template allocate_host<T>(alone ? 0 : elements)),
        transfers_(device, alone ? 0 : buckets) {}

  // Bucket `b` is complete once the device has done what it was asked for.
  void leave(std::size_t b, std::size_t first, std::size_t count) {
    if (!alone_) transfers_.download(b, host_.data() + first, gradients_ + first, count);
  }
  bool has_left(std::size_t b) { return alone_ || transfers_.arrived(b); }
  // Of a rank alone nobody reads them.
  std::span<T> summands(std::size_t first, std::size_t count) {
    return {alone_ ? nullptr : host_.data() + first, count};
  }
  void come_back(std::size_t first, std::size_t count) {
    if (!alone_) transfers_.upload(gradients_ + first, host_.data() + first, count);
  }

 private:
  T* gradients_;
  bool alone_;
  typename Device::template host_memory<T> host_;
  typename Device::transfers transfers_;
};

// The same where the communicator reaches that memory: buckets stay where they are.
template <class Device, class Communicator>
requires(!Device::host_memory_is_device_memory &&
         sums_on_device<Communicator>) class gradient_exchange<Device, Communicator> {
 public:
  using T = typename Device::scalar;

  gradient_exchange(Device& device, T* gradients, std::size_t, std::size_t buckets, bool alone)
      : gradients_(gradients), alone_(alone), transfers_(device, alone ? 0 : buckets) {}

  void leave(std::size_t b, std::size_t, std::size_t) {
    if (!alone_) transfers_.mark(b);
  }
  bool has_left(std::size_t b) { return alone_ || transfers_.passed(b); }
  std::span<T> summands(std::size_t first, std::size_t count) { return {gradients_ + first, count}; }
  void come_back(std::size_t, std::size_t) {}  // a sum that the communicator has finished is there for all to see

 private:
  T* gradients_;
  bool alone_;
  typename Device::transfers transfers_;
};

}  // namespace firecaffe
