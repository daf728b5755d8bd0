#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/error.hpp"
#include "../data/dataset.hpp"
#include "../data/prefetch.hpp"
#include "../network/memory_plan.hpp"

namespace firecaffe {

// Samples of one rank for one forward pass, in the caller's memory; see data::host_batch for the fields.
struct batch_view {
  const float* values = nullptr;  // (N, C, H, W)
  const std::int32_t* labels = nullptr;
  const float* targets = nullptr;
  int samples = 0, first_slot = 0;
};
inline batch_view view_of(const data::host_batch& b) {
  return {b.values.data(), b.labels.data(), b.targets.data(), b.samples, b.first_slot};
}

// Brings a batch, and what recorded work looks up, to the device.
template <class Model>
void load_batch(Model& m, const batch_view& b, live_numbers numbers = {}) {
  m.load(b.values, b.samples, b.labels, numbers);
  if constexpr (Model::memory::target_shape.elements() > 0) m.load_targets(b.targets);
}

// Throws usage_error unless the network takes what the data set has.
template <class Net, class Device, data::dataset Dataset>
void check_extents(const Dataset& dataset) {
  if (!(dataset.extents() == plan<Net, Device>.values[0].extents))
    throw usage_error("trainer: the samples of the data set do not have the shape of the network's input");
  if constexpr (data::regression_dataset<Dataset>) {
    if (!(dataset.target_extents() == memory_plan<Net, Device>::target_shape))
      throw usage_error("trainer: the targets of the data set do not have the shape the loss compares");
  }
}

// While this lives the device copies as fast as it can from the buffers of a prefetcher, or of anything that has
// for_each_buffer(f), which calls f(void*, bytes). A device that wants to know of such memory has
//   Device::page_locks, made of a device, with add(void*, bytes)
template <class Device>
struct batch_memory {
  template <class Batches>
  batch_memory(const Device&, Batches&) {}
};

template <class Device>
requires requires { typename Device::page_locks; }
struct batch_memory<Device> {
  template <class Batches>
  batch_memory(const Device& device, Batches& batches) : locks(device) {
    batches.for_each_buffer([this](void* memory, std::size_t bytes) { locks.add(memory, bytes); });
  }
  typename Device::page_locks locks;
};

}  // namespace firecaffe
