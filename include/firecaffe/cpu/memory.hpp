#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace firecaffe {

// Zeroed memory, aligned to a cache line; large blocks to huge pages, which the kernel is asked for.
template <class T>
class aligned_memory {
 public:
  aligned_memory() = default;
  aligned_memory(aligned_memory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  aligned_memory& operator=(aligned_memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~aligned_memory() { std::free(data_); }

  explicit aligned_memory(std::size_t count) : size_(count) {
    if (count == 0) return;
    constexpr std::size_t huge = std::size_t{2} << 20;
    const std::size_t bytes = count * sizeof(T), alignment = bytes >= huge ? huge : 64;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment));
    if (!data_) throw std::bad_alloc{};
    if (bytes >= huge) madvise(data_, bytes, MADV_HUGEPAGE);  // advice: refusal costs speed only
    std::memset(data_, 0, bytes);
  }
  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// Memory that ops use one after the other: what one leaves there means nothing to the next. A copy begins with none.
class scratch_memory {
 public:
  scratch_memory() = default;
  scratch_memory(const scratch_memory&) {}
  scratch_memory(scratch_memory&&) = default;
  scratch_memory& operator=(scratch_memory other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }

  // Zeroed when it grows, which it does until the largest op has run.
  float* at_least(std::size_t elements) {
    if (elements > memory_.size()) {
      memory_ = {};
      memory_ = aligned_memory<float>(elements);
    }
    return memory_.data();
  }

 private:
  aligned_memory<float> memory_;
};

}  // namespace firecaffe
