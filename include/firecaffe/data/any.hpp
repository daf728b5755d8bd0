#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "dataset.hpp"

namespace firecaffe::data {

// A labelled data set whose type is chosen at run time, for programs that take it as an argument: what uses it is
// compiled once. One indirect call a sample.
class any_dataset {
 public:
  template <class D>
  requires(!std::same_as<D, any_dataset> && labelled_dataset<D>) any_dataset(D d)  // on purpose not explicit
      : held_(std::make_unique<holder<D>>(std::move(d))) {}

  std::size_t size() const { return held_->size(); }
  shape extents() const { return held_->extents(); }
  void read(std::size_t index, float* values, std::int32_t* label) const { held_->read(index, 0, values, label); }
  void read(std::size_t index, int epoch, float* values, std::int32_t* label) const {
    held_->read(index, epoch, values, label);
  }

 private:
  struct base {
    virtual ~base() = default;
    virtual std::size_t size() const = 0;
    virtual shape extents() const = 0;
    virtual void read(std::size_t index, int epoch, float* values, std::int32_t* label) const = 0;
  };
  template <class D>
  struct holder final : base {
    explicit holder(D d) : inner(std::move(d)) {}
    std::size_t size() const override { return inner.size(); }
    shape extents() const override { return inner.extents(); }
    void read(std::size_t index, int epoch, float* values, std::int32_t* label) const override {
      read_sample(inner, index, epoch, values, label);
    }
    D inner;
  };
  std::unique_ptr<const base> held_;
};

}  // namespace firecaffe::data
