#pragma once

#include <cstddef>
#include <string>

#include "../core/error.hpp"
#include "dataset.hpp"

namespace firecaffe::data {

// The samples [first, last) of a data set, which outlives it: held-out samples to choose a learning rate by, say.
//   const fc::data::subset train(set, 0, 50'000), validation(set, 50'000, set.size());
template <dataset D>
class subset {
 public:
  // Throws usage_error for a range that is empty or not within the data set.
  subset(const D& whole, std::size_t first, std::size_t last) : whole_(&whole), first_(first), size_(last - first) {
    if (first >= last || last > whole.size())
      throw usage_error("data::subset: samples [" + std::to_string(first) + ", " + std::to_string(last) + ") of " +
                        std::to_string(whole.size()));
  }

  std::size_t size() const { return size_; }
  shape extents() const { return whole_->extents(); }
  shape target_extents() const requires regression_dataset<D> { return whole_->target_extents(); }

  void read(std::size_t index, float* values, target_type<D>* target) const { read(index, 0, values, target); }
  void read(std::size_t index, int epoch, float* values, target_type<D>* target) const {
    if (index >= size_)
      throw usage_error("data::subset: sample " + std::to_string(index) + " of " + std::to_string(size_));
    read_sample(*whole_, first_ + index, epoch, values, target);
  }

 private:
  const D* whole_;
  std::size_t first_, size_;
};

}  // namespace firecaffe::data
