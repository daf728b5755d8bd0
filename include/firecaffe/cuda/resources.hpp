#pragma once

#include <memory>

#include "cublas_lt_plans.hpp"
#include "cudnn_plans.hpp"
#include "feed.hpp"
#include "memory.hpp"
#include "sums.hpp"

namespace firecaffe {

// What products and convolutions do with their factors: nothing, round them to TF32's 10 bits for the tensor cores, or
// take them as bfloat16, 8 bits, which is then what all values are stored as. Sums are in single precision.
enum class cuda_math { fp32, tf32, bf16 };

// Which of cuDNN's and cuBLASLt's kernels a convolution or a product takes: the first that their heuristics name and
// that repeats its results, the same in every run; or the fastest of several, which are tried and timed when one of its
// kind is first used: another in every run perhaps, and perhaps one that adds up in no fixed order.
enum class cuda_kernels { repeatable, fastest };

struct cuda_policy {
  cuda_math math = cuda_math::fp32;
  cuda_kernels kernels = cuda_kernels::repeatable;
  friend constexpr bool operator==(const cuda_policy&, const cuda_policy&) = default;
};

// What an object of a device owns: handles of the vendor's libraries on its stream, and memory that ops share.
struct cuda_resources {
  int ordinal;
  cuda_policy policy;
  owned_stream own_stream;
  cudaStream_t stream;
  std::unique_ptr<cublas_lt> products;
  cudnnHandle_t dnn = nullptr;
  std::unique_ptr<cudnn_descriptor> properties;
  cudnn_plans plans;
  device_memory<char> scratch_space, sum_space;
  std::uint64_t moves = 0;  // of these two
  device_memory<unsigned> counters;
  // What the parameters of the model that lives here are as factors of products, where that is another type.
  struct {
    const float* parameters = nullptr;
    device_memory<bfloat16> copies;
  } factors;
  staging to_device;
  input_feed inputs;

  cuda_resources(int device, cudaStream_t users, cuda_policy p) : ordinal(device), policy(p), stream(users) {
    int n = 0;
    const cudaError_t status = cudaGetDeviceCount(&n);
    if (status != cudaSuccess || n == 0) {
      cudaGetLastError();
      throw usage_error(std::string("cuda: this machine has no NVIDIA device that can be used (") +
                        (status != cudaSuccess ? cudaGetErrorString(status) : "none found") + "); fc::cpu needs none");
    }
    if (device < 0 || device >= n)
      throw usage_error("cuda: there is no device " + std::to_string(device) + ", this machine has " +
                        std::to_string(n));
    try {
      open();
    } catch (...) {
      close();
      throw;
    }
  }
  ~cuda_resources() { close(); }
  cuda_resources(const cuda_resources&) = delete;
  cuda_resources& operator=(const cuda_resources&) = delete;

  // At least `bytes`, from the largest request so far.
  void* at_least(device_memory<char>& space, std::size_t bytes) {
    if (bytes > space.bytes()) {
      ++moves;
      space = {};  // freed first: the two need not fit together
      space = device_memory<char>(bytes, ordinal, stream);
    }
    return space.data();
  }

  // These are made when the first convolution asks for them.
  cudnnHandle_t cudnn() {
    const device_scope scope(ordinal);
    if (!dnn) {
      check_status(cudnnCreate(&dnn), "cudnnCreate", ordinal);
      check_status(cudnnSetStream(dnn, stream), "cudnnSetStream", ordinal);
    }
    return dnn;
  }
  const cudnn_descriptor& cudnn_properties() {
    if (!properties) {
      auto made = std::make_unique<cudnn_descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, ordinal);
      made->set(CUDNN_ATTR_DEVICEPROP_HANDLE, cudnn()).finalize();
      properties = std::move(made);
    }
    return *properties;
  }

 private:
  void open() {
    const device_scope scope(ordinal);
    if (!stream) {
      own_stream = make_stream(ordinal);
      stream = own_stream.get();
    }
    const bool fastest = policy.kernels == cuda_kernels::fastest;
    const auto of_floats = policy.math == cuda_math::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    // Enough for most, so that nothing is allocated while other ranks wait for this one's device.
    at_least(scratch_space, std::size_t{1} << 20), at_least(sum_space, std::size_t{4} << 20);
    counters = device_memory<unsigned>(sum_counters, ordinal, stream);
    products = std::make_unique<cublas_lt>(ordinal, stream, cublas_lt_choice{of_floats, !fastest, fastest ? 8 : 1});
  }

  void close() noexcept {
    int before = 0;
    const bool switched = cudaGetDevice(&before) == cudaSuccess && cudaSetDevice(ordinal) == cudaSuccess;
    if (stream) cudaStreamSynchronize(stream);
    products.reset(), plans = {}, properties.reset();
    if (dnn) cudnnDestroy(dnn);
    if (switched && has_context(before)) cudaSetDevice(before);
  }
};

}  // namespace firecaffe
