#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../core/shape.hpp"

namespace firecaffe::data {

// A data set is anything with these members, safe to call from several threads at once:
//
//   std::size_t size() const;       how many samples
//   shape extents() const;          what one sample looks like, (C, D, H, W)
//   void read(std::size_t index, float* values, std::int32_t* label) const;
//
// `read` writes the sample's extents().elements() values in that order, and its label. A sample that cannot be read is
// a thrown error (file_error, usage_error), never a silent zero.
template <class D>
concept labelled_dataset = requires(const D& d, std::size_t index, float* values, std::int32_t* label) {
  { d.size() } -> std::convertible_to<std::size_t>;
  { d.extents() } -> std::same_as<shape>;
  d.read(index, values, label);
};

// For regression the label gives way to floats: `target_extents()` says what one sample's target looks like, and
// `read(index, values, float* target)` writes it.
template <class D>
concept regression_dataset = requires(const D& d, std::size_t index, float* values, float* target) {
  { d.size() } -> std::convertible_to<std::size_t>;
  { d.extents() } -> std::same_as<shape>;
  { d.target_extents() } -> std::same_as<shape>;
  d.read(index, values, target);
};

template <class D>
concept dataset = labelled_dataset<D> || regression_dataset<D>;

// A data set whose samples differ from epoch to epoch (random crops) has also `read(index, int epoch, values, target)`;
// without the epoch it means epoch 0.
template <dataset D, class Target>
void read_sample(const D& d, std::size_t index, int epoch, float* values, Target* target) {
  if constexpr (requires { d.read(index, epoch, values, target); })
    d.read(index, epoch, values, target);
  else
    d.read(index, values, target);
}

// What a sample is to be answered with: int32 labels or float targets.
template <dataset D>
using target_type = std::conditional_t<regression_dataset<D>, float, std::int32_t>;

// How many of them a sample has: 1 label, or the elements of its target.
template <dataset D>
std::int64_t target_elements(const D& d) {
  if constexpr (regression_dataset<D>)
    return d.target_extents().elements();
  else
    return 1;
}

}  // namespace firecaffe::data
