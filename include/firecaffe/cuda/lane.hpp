#pragma once

#include <shared_mutex>

#include "cublas_lt_plans.hpp"
#include "sums.hpp"

namespace firecaffe {

// Threads that record work share it. A device that closes has it alone: cublasLtDestroy waits for all that the device
// does, and so ends a recording of any thread with an error.
inline std::shared_mutex recordings;

// What the ops of one stream have to themselves.
class cuda_lane {
 public:
  // Its stream is the user's, or one of its own where that is null.
  cuda_lane(int ordinal, cudaStream_t users)
      : ordinal_(ordinal),
        own_stream_(users ? nullptr : make_stream(ordinal)),
        products_(ordinal, users ? users : own_stream_.get()),
        partial_sums_(sum_room::partial_sums, ordinal, stream()),
        counters_(sum_blocks, ordinal, stream()) {
    // Enough for most, so that nothing is allocated while other ranks wait for this one's device.
    scratch(std::size_t{1} << 20);
  }
  ~cuda_lane() { cudaStreamSynchronize(stream()); }
  cuda_lane(const cuda_lane&) = delete;
  cuda_lane& operator=(const cuda_lane&) = delete;

  cudaStream_t stream() const { return products_.stream; }
  bool owns_stream() const { return bool(own_stream_); }
  const cublas_lt_place& products() const { return products_; }
  // Made when the first convolution asks for it.
  cudnnHandle_t dnn() {
    if (dnn_) return dnn_.get();
    const device_scope scope(ordinal_);
    cudnnHandle_t made = nullptr;
    check_status(cudnnCreate(&made), "cudnnCreate", ordinal_);
    dnn_.reset(made);
    check_status(cudnnSetStream(made, stream()), "cudnnSetStream", ordinal_);
    return made;
  }

  // Memory for the time of one op: at least `bytes`, from the largest request so far.
  void* scratch(std::size_t bytes) {
    if (bytes > scratch_.bytes()) {
      check_status(cudaStreamSynchronize(stream()), "cudaStreamSynchronize", ordinal_);  // what still runs may use it
      ++moves_;
      scratch_ = {};  // freed first: the two need not fit together
      scratch_ = device_memory<char>(bytes, ordinal_, stream());
    }
    return scratch_.data();
  }
  std::uint64_t moves() const { return moves_; }  // how often that has moved
  sum_room sums() const { return {partial_sums_.data(), counters_.data()}; }

 private:
  struct destroy {
    void operator()(cudnnHandle_t h) const { cudnnDestroy(h); }
  };

  int ordinal_;
  owned_stream own_stream_;
  cublas_lt_place products_;
  std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, destroy> dnn_;
  device_memory<char> scratch_;
  std::uint64_t moves_ = 0;
  device_memory<float> partial_sums_;
  device_memory<unsigned> counters_;
};

}  // namespace firecaffe
