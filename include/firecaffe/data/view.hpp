#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/shape.hpp"

namespace firecaffe::data {

// Samples that already lie in the caller's memory as (N, C, D, H, W), whole samples one after the other. Nothing is
// copied: the arrays outlive the view, and may change between epochs but not during a step.
class sample_array {
 public:
  // Throws usage_error where `values` is not a whole number of samples.
  sample_array(std::span<const float> values, shape extents) : values_(values.data()), extents_(extents) {
    if (std::min({extents.channels, extents.height, extents.width, extents.depth}) < 1)
      throw usage_error("data::view: every extent of a sample must be at least 1");
    elements_ = static_cast<std::size_t>(extents.elements());
    if (values.size() % elements_ != 0)
      throw usage_error("data::view: " + std::to_string(values.size()) + " values are no whole number of samples of " +
                        std::to_string(elements_));
    size_ = values.size() / elements_;
  }

  std::size_t size() const { return size_; }
  shape extents() const { return extents_; }

  void read(std::size_t index, float* values) const {
    if (index >= size_)
      throw usage_error("data::view: sample " + std::to_string(index) + " of " + std::to_string(size_));
    std::copy_n(values_ + index * elements_, elements_, values);
  }

 private:
  const float* values_;
  shape extents_;
  std::size_t elements_ = 0, size_ = 0;
};

// The caller's samples with one label each, (N). With `classes` > 0 a label outside [0, classes) is a usage_error when
// its sample is read; with 0 labels pass unchecked.
class view {
 public:
  // Throws usage_error where the sizes do not agree.
  view(std::span<const float> values, shape extents, std::span<const std::int32_t> labels, int classes = 0)
      : samples_(values, extents), labels_(labels.data()), classes_(classes) {
    if (labels.size() != samples_.size())
      throw usage_error("data::view: " + std::to_string(labels.size()) + " labels for " +
                        std::to_string(samples_.size()) + " samples");
    if (classes < 0) throw usage_error("data::view: classes must not be negative");
  }

  std::size_t size() const { return samples_.size(); }
  shape extents() const { return samples_.extents(); }

  void read(std::size_t index, float* values, std::int32_t* label) const {
    samples_.read(index, values);
    *label = labels_[index];
    if (classes_ > 0 && (*label < 0 || *label >= classes_))
      throw usage_error("data::view: sample " + std::to_string(index) + " has label " + std::to_string(*label) +
                        ", not one of [0, " + std::to_string(classes_) + ")");
  }

 private:
  sample_array samples_;
  const std::int32_t* labels_;
  int classes_;
};

// The caller's samples with float targets for regression, both (N, C, D, H, W).
class regression_view {
 public:
  // Throws usage_error where the sizes do not agree.
  regression_view(std::span<const float> values, shape extents, std::span<const float> targets, shape target_extents)
      : samples_(values, extents), targets_(targets, target_extents) {
    if (targets_.size() != samples_.size())
      throw usage_error("data::regression_view: " + std::to_string(targets_.size()) + " targets for " +
                        std::to_string(samples_.size()) + " samples");
  }

  std::size_t size() const { return samples_.size(); }
  shape extents() const { return samples_.extents(); }
  shape target_extents() const { return targets_.extents(); }

  void read(std::size_t index, float* values, float* target) const {
    samples_.read(index, values);
    targets_.read(index, target);
  }

 private:
  sample_array samples_, targets_;
};

}  // namespace firecaffe::data
