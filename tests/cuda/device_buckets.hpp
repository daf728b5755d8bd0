#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "firecaffe/cuda/device.hpp"

namespace test {

// Buckets in a device's memory whose sums over ranks are known, and exact.
class device_buckets {
 public:
  device_buckets(firecaffe::cuda device, const std::vector<std::size_t>& sizes) : device_(std::move(device)) {
    for (const std::size_t n : sizes) memory_.push_back(device_.allocate<float>(n));
  }
  std::size_t count() const { return memory_.size(); }
  std::span<float> bucket(std::size_t b) const { return {memory_[b].data(), memory_[b].size()}; }

  // What a rank has; it is there when this returns.
  void fill(int rank) {
    for (std::size_t b = 0; b < count(); ++b) {
      std::vector<float> host(memory_[b].size());
      for (std::size_t i = 0; i < host.size(); ++i)
        host[i] = static_cast<float>(part(b, i) + static_cast<std::size_t>(rank));
      device_.upload(memory_[b].data(), host.data(), host.size());
    }
    device_.synchronize();
  }
  // Elements of a bucket that are not the sum over so many ranks.
  std::size_t wrong(std::size_t b, int ranks) {
    const auto p = static_cast<std::size_t>(ranks);
    std::vector<float> host(memory_[b].size());
    device_.download(host.data(), memory_[b].data(), host.size());
    std::size_t n = 0;
    for (std::size_t i = 0; i < host.size(); ++i) n += host[i] != static_cast<float>(p * part(b, i) + p * (p - 1) / 2);
    return n;
  }

 private:
  static std::size_t part(std::size_t b, std::size_t i) { return (i + b) % 1000; }

  firecaffe::cuda device_;
  std::vector<firecaffe::device_memory<float>> memory_;
};

}  // namespace test
