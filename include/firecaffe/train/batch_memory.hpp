#pragma once

#include <cstddef>

namespace firecaffe {

// While this lives the device copies as fast as it can from the buffers of a prefetcher, or of anything that has
// for_each_buffer(f), which calls f(void*, bytes). A device that wants to know of such memory has
//   Device::page_locks, with add(void*, bytes)
template <class Device>
struct batch_memory {
  template <class Batches>
  explicit batch_memory(Batches&) {}
};

template <class Device>
requires requires { typename Device::page_locks; }
struct batch_memory<Device> {
  template <class Batches>
  explicit batch_memory(Batches& batches) {
    batches.for_each_buffer([this](void* memory, std::size_t bytes) { locks.add(memory, bytes); });
  }
  typename Device::page_locks locks;
};

}  // namespace firecaffe
