#pragma once

#if !__has_include(<hdf5.h>)
#error \
    "firecaffe/data/hdf5.hpp needs HDF5 (Debian: libhdf5-dev, in /usr/include/hdf5/serial), CMake target firecaffe::hdf5"
#endif

#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "dataset.hpp"
#include "hdf5_file.hpp"

namespace firecaffe::data {

struct hdf5_options {
  std::string values = "data", targets = "label";  // the names of Caffe's examples
  bool in_memory = true;  // all files, as floats; else a sample is read from its file when it is wanted
};

// Samples and their targets in HDF5 files, as Caffe's HDF5 data layer takes them: one data set of values and one of
// targets in each file, the first extent counting samples. Values are (N), (N, C), (N, H, W), (N, C, H, W) or
// (N, C, D, H, W) of any integer or floating-point type. Several files make one set, in the order given; their samples
// must be alike. The usual HDF5 library is not thread-safe: all readers of a process take turns (see hdf5_file.hpp).
template <class Target>
class hdf5_samples {
 public:
  // Throws file_error for files that are missing, malformed or do not fit together; the offset is always 0, as HDF5
  // does not tell it. Throws usage_error where there are no files.
  explicit hdf5_samples(const std::vector<std::string>& paths, hdf5_options o = {}) : options_(std::move(o)) {
    if (paths.empty()) throw usage_error("data::hdf5: no files");
    for (const std::string& path : paths) {
      part p{hdf5_file(path, options_.values), hdf5_file(path, options_.targets), {}, {}, size_};
      const std::uint64_t samples = p.values.extents()[0];
      const shape values = sample_shape(path, p.values.extents());
      shape targets = sample_shape(path, p.targets.extents());
      if (p.targets.extents()[0] != samples)
        throw file_error(
            path, 0, std::to_string(p.targets.extents()[0]) + " targets for " + std::to_string(samples) + " samples");
      if (std::same_as<Target, std::int32_t> && targets.elements() != 1)
        throw file_error(path, 0, "expected one label for each sample, found " + std::to_string(targets.elements()));
      if (!parts_.empty() && (values != extents_ || targets != target_extents_))
        throw file_error(path, 0, "its samples have other extents than those of " + paths[0]);
      extents_ = values;
      target_extents_ = targets;
      size_ += static_cast<std::size_t>(samples);
      if (options_.in_memory) {
        p.in_memory.resize(p.values.elements());
        p.values.read(0, samples, p.in_memory.data());
        p.targets_in_memory.resize(p.targets.elements());
        read_targets(p, 0, samples, p.targets_in_memory.data());
        p.values.close();
        p.targets.close();
      }
      parts_.push_back(std::move(p));
    }
  }

  std::size_t size() const { return size_; }
  shape extents() const { return extents_; }
  shape target_extents() const requires std::same_as<Target, float> { return target_extents_; }

  void read(std::size_t index, float* values, Target* target) const {
    if (index >= size_)
      throw usage_error("data::hdf5: sample " + std::to_string(index) + " of " + std::to_string(size_));
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), index, [](std::size_t i, const part& p) { return i < p.first; });
    const part& p = *(after - 1);
    const std::size_t row = index - p.first, n = static_cast<std::size_t>(extents_.elements());
    const auto m = static_cast<std::size_t>(target_extents_.elements());
    if (options_.in_memory) {
      std::copy_n(p.in_memory.data() + row * n, n, values);
      std::copy_n(p.targets_in_memory.data() + row * m, m, target);
    } else {
      p.values.read(row, 1, values);
      read_targets(p, row, 1, target);
    }
  }

 private:
  struct part {
    hdf5_file values, targets;
    std::vector<float> in_memory;
    std::vector<Target> targets_in_memory;
    std::size_t first;  // sample
  };

  static shape sample_shape(const std::string& path, const std::vector<std::uint64_t>& e) {
    if (e.size() > 5) throw file_error(path, 0, "more than 5 dimensions");
    std::uint64_t elements = 1;
    for (std::size_t i = 0; i < e.size(); ++i) {
      if (i > 0 && e[i] > std::numeric_limits<int>::max() / elements)
        throw file_error(path, 0, "a sample has more elements than an int counts");
      if (i > 0) elements *= e[i];
    }
    const auto extent = [&](std::size_t i) { return static_cast<int>(e[i]); };
    switch (e.size()) {
      case 1:
        return {};
      case 2:
        return {.channels = extent(1)};
      case 3:
        return {.channels = 1, .height = extent(1), .width = extent(2)};
      case 4:
        return {.channels = extent(1), .height = extent(2), .width = extent(3)};
      default:
        return {.channels = extent(1), .height = extent(3), .width = extent(4), .depth = extent(2)};
    }
  }

  // Labels are often stored as floats; one that is no whole number is refused.
  static void read_targets(const part& p, std::uint64_t first, std::uint64_t count, Target* to) {
    if constexpr (std::same_as<Target, float>) {
      p.targets.read(first, count, to);
    } else {
      std::vector<double> found(static_cast<std::size_t>(count));
      p.targets.read(first, count, found.data());
      for (std::size_t i = 0; i < found.size(); ++i) {
        if (!(std::abs(found[i]) <= std::numeric_limits<std::int32_t>::max()) || found[i] != std::floor(found[i]))
          throw file_error(p.targets.path(), 0,
                           "label " + std::to_string(first + i) + " is " + std::to_string(found[i]) +
                               ", no whole number of 32 bits");
        to[i] = static_cast<std::int32_t>(found[i]);
      }
    }
  }

  hdf5_options options_;
  std::vector<part> parts_;
  std::size_t size_ = 0;
  shape extents_, target_extents_;
};

using hdf5 = hdf5_samples<std::int32_t>;      // with labels
using hdf5_regression = hdf5_samples<float>;  // with float targets

}  // namespace firecaffe::data
