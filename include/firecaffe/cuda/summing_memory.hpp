#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels.hpp"
#include "memory.hpp"
#include "streams.hpp"

namespace firecaffe {

struct add_floats {
  float* into;
  const float* addend;
  __device__ void operator()(std::size_t i) const { into[i] += addend[i]; }
};

// Where communicators add up what lies in a device's memory: the policy that comm/element_verbs.hpp describes. Sums of
// float are formed on the device, on a stream of their own; numbers of double are the host's.
class cuda_summing_memory {
 public:
  static constexpr bool works_apart = true;
  struct release {
    bool device = false;
    void operator()(std::byte* p) const {
      if (device)
        cudaFree(p);  // waits for what the device still does
      else
        delete[] p;
    }
  };
  using buffer = std::unique_ptr<std::byte[], release>;

  explicit cuda_summing_memory(int ordinal) : ordinal_(ordinal) {
    const device_scope scope(ordinal_);
    stream_ = make_urgent_stream(ordinal_);
  }

  template <class T>
  buffer allocate(std::size_t bytes) {
    if (bytes == 0) return {};
    if constexpr (!on_device<T>) return buffer(new std::byte[bytes], release{false});
    const device_scope scope(ordinal_);
    return buffer(static_cast<std::byte*>(allocate_on(ordinal_, bytes)), release{true});
  }

  template <class T>
  void add(T* into, const T* addend, std::size_t count) {
    if constexpr (on_device<T>) {
      for_each_index(count, add_floats{into, addend}, stream_.get(), ordinal_);
      told_ = false;
    } else {
      for (std::size_t i = 0; i < count; ++i) into[i] += addend[i];
    }
  }
  template <class T>
  void copy(T* into, const T* from, std::size_t count) {
    if constexpr (on_device<T>) {
      const device_scope scope(ordinal_);
      check_status(cudaMemcpyAsync(into, from, count * sizeof(T), cudaMemcpyDeviceToDevice, stream_.get()),
                   "cudaMemcpyAsync within the device", ordinal_);
      told_ = false;
    } else {
      for (std::size_t i = 0; i < count; ++i) into[i] = from[i];
    }
  }

  // Counts from 1; 0: nothing for the device.
  std::uint64_t asked() {
    if (told_) return 0;
    const device_scope scope(ordinal_);
    if (spare_.empty()) spare_.push_back(make_event(ordinal_));
    under_way_.push_back(std::move(spare_.back()));
    spare_.pop_back();
    record_event(under_way_.back(), stream_.get(), ordinal_);
    told_ = true;
    return done_ + under_way_.size();
  }
  bool done(std::uint64_t number) {
    while (number > done_ && has_passed(under_way_.front(), ordinal_)) {
      spare_.push_back(std::move(under_way_.front()));
      under_way_.pop_front();
      ++done_;
    }
    return number <= done_;
  }

 private:
  template <class T>
  static constexpr bool on_device = std::is_same_v<T, float>;

  int ordinal_;
  owned_stream stream_;
  std::deque<owned_event> under_way_;  // one for each piece of work after `done_`
  std::vector<owned_event> spare_;
  std::uint64_t done_ = 0;
  bool told_ = true;  // of everything that the stream was asked for
};

}  // namespace firecaffe
