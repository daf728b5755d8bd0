#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace firecaffe {

// Zeroed memory, aligned to a cache line; large blocks to huge pages, which the kernel is asked for.
template <class T>
class aligned_memory {
 public:
  aligned_memory() = default;
  explicit aligned_memory(std::size_t count) : size_(count) {
    if (count == 0) return;
    constexpr std::size_t huge = std::size_t{2} << 20;
    const std::size_t bytes = count * sizeof(T), alignment = bytes >= huge ? huge : 64;
    data_.reset(static_cast<T*>(std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment)));
    if (!data_) throw std::bad_alloc{};
    if (bytes >= huge) madvise(data_.get(), bytes, MADV_HUGEPAGE);  // advice: refusal costs speed only
    std::memset(data_.get(), 0, bytes);
  }
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  struct release {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, release> data_;
  std::size_t size_ = 0;
};

}  // namespace firecaffe
