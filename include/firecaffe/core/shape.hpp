#pragma once

#include <cstdint>

#include "host_device.hpp"

namespace firecaffe {

// What one sample looks like: (C, D, H, W). Two-dimensional data have depth 1; a plain vector has one pixel.
struct shape {
  int channels = 1, height = 1, width = 1, depth = 1;

  FIRECAFFE_HD constexpr int pixels() const { return depth * height * width; }
  FIRECAFFE_HD constexpr std::int64_t elements() const { return std::int64_t{channels} * pixels(); }
  friend constexpr bool operator==(const shape&, const shape&) = default;
};

}  // namespace firecaffe
