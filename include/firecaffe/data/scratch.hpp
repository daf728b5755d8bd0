#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace firecaffe::data {

// Working memory for readers: as many as there were calls at the same time, used over and over.
template <class T>
class scratch_pool {
 public:
  class lease {
   public:
    lease(scratch_pool& pool, std::unique_ptr<T> scratch) : pool_(&pool), scratch_(std::move(scratch)) {}
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease() {
      const std::lock_guard lock(pool_->mutex_);
      pool_->free_.push_back(std::move(scratch_));  // has room: see borrow()
    }
    T& operator*() const { return *scratch_; }

   private:
    scratch_pool* pool_;
    std::unique_ptr<T> scratch_;
  };

  lease borrow() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      free_.reserve(made_ + 1);
      auto made = std::make_unique<T>();
      ++made_;
      return {*this, std::move(made)};
    }
    auto last = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(last)};
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
  std::size_t made_ = 0;
};

}  // namespace firecaffe::data
