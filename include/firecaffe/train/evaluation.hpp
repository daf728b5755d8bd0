#pragma once

#include <array>
#include <span>

#include "recorded_passes.hpp"

namespace firecaffe {

struct add_results {
  double* sums;
  const double* results;
  FIRECAFFE_HD void operator()(std::size_t i) const { sums[i] += results[i]; }
};

// Does work as it is asked for, every time.
template <class Device>
struct no_recorder {
  using key = std::array<std::int64_t, 5>;
  no_recorder(Device&, bool) {}
  template <class Body, class Between>
  void run(Device&, const key&, Body body, Between between) {
    body(between);
  }
};
template <class Device>
struct recorder_of {
  using type = no_recorder<Device>;
};
template <class Device>
requires(records_passes<Device>) struct recorder_of<Device> {
  using type = typename Device::recorder;
};

// Losses and metrics added up over batches, in the device's memory: one that works on its own is given the next batch
// while it is at this one. Devices that record do each batch size but the first time as it was recorded.
template <class Net, class Device>
class evaluation {
 public:
  using model_type = model<Net, Device>;
  static constexpr std::size_t results = model_type::memory::results;

  // `recorded` false: devices that could do work as it was recorded do not.
  evaluation(Device& device, bool recorded)
      : sums_(device.template allocate<double>(results)), recorder_(device, recorded) {}

  void begin(Device& device) {
    const double zeros[results] = {};
    device.upload(sums_.data(), zeros, results);
  }
  // The samples that are loaded.
  void add(model_type& m) {
    Device& device = m.device();
    const auto body = [this, &device, &m](auto) {
      m.forward({});
      device.for_each(results, add_results{sums_.data(), m.device_results()});
    };
    recorder_.run(device, typename recorder_type::key{m.samples()}, body, [](int) {});
  }
  // Waits for all of them.
  void sums(Device& device, std::span<double, results> to) { device.download(to.data(), sums_.data(), results); }

 private:
  using recorder_type = typename recorder_of<Device>::type;
  typename Device::template memory<double> sums_;
  recorder_type recorder_;
};

}  // namespace firecaffe
