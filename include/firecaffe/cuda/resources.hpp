#pragma once

#include <algorithm>
#include <memory>
#include <mutex>

#include "cudnn_plans.hpp"
#include "feed.hpp"
#include "lane.hpp"

namespace firecaffe {

// What products and convolutions do with their factors: nothing, round them to TF32's 10 bits for the tensor cores, or
// take them as bfloat16, 8 bits, which is then what all values are stored as. Sums are in single precision.
enum class cuda_math { fp32, tf32, bf16 };

// Which of cuDNN's and cuBLASLt's kernels a convolution or a product takes (a convolution of single pixels from either,
// see conv_products.hpp): the first that their heuristics name and that repeats its results, the same in every run; or
// the fastest of several, which are tried and timed when one of its kind is first used: another in every run perhaps,
// and perhaps one that adds up in no fixed order.
enum class cuda_kernels { repeatable, fastest };

struct cuda_policy {
  cuda_math math = cuda_math::fp32;
  cuda_kernels kernels = cuda_kernels::repeatable;
  friend constexpr bool operator==(const cuda_policy&, const cuda_policy&) = default;
};

// What an object of a device owns.
struct cuda_resources {
  int ordinal;
  cuda_policy policy;
  std::unique_ptr<cublas_lt> products;
  std::unique_ptr<cudnn_descriptor> properties;
  cudnn_plans plans;
  cudnn_plans::choice convolutions;
  std::unique_ptr<cuda_lane> main, side;  // the second is made when something first goes on beside something else
  cuda_lane* lane = nullptr;              // the one that is asked
  owned_event forked, joined;
  // What the parameters of the model that lives here are as factors of products, where that is another type.
  struct {
    const float* parameters = nullptr;
    device_memory<bfloat16> copies;
    std::uint64_t moves = 0;
  } factors;
  staging to_device;
  input_feed inputs;

  cuda_resources(int device, cudaStream_t users, cuda_policy p) : ordinal(device), policy(p) {
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
      open(users);
    } catch (...) {
      close();
      throw;
    }
  }
  ~cuda_resources() { close(); }
  cuda_resources(const cuda_resources&) = delete;
  cuda_resources& operator=(const cuda_resources&) = delete;

  cuda_lane& side_lane() {
    if (!side) {
      const device_scope scope(ordinal);
      side = std::make_unique<cuda_lane>(ordinal, nullptr);
      forked = make_event(ordinal), joined = make_event(ordinal);
    }
    return *side;
  }
  // What f() and g() ask for goes on at the same time, that of f on a stream, and with scratch, of its own; what is
  // asked for later waits for both, also where one of them throws.
  template <class F, class G>
  void both(F& f, G& g) {
    const device_scope scope(ordinal);
    const cudaStream_t here = lane->stream(), there = side_lane().stream();
    chain_streams(forked, here, there, ordinal);
    try {
      beside(f);
      // Kernels that may be timed, which they are before anything is recorded, are alone.
      if (policy.kernels == cuda_kernels::fastest && !is_capturing(there, ordinal))
        chain_streams(joined, there, here, ordinal);
      g();
    } catch (...) {
      try {
        chain_streams(joined, there, here, ordinal);
      } catch (const error&) {
        // Of two failures the first is the one to tell.
      }
      throw;
    }
    chain_streams(joined, there, here, ordinal);
  }
  // f() there, without waiting.
  template <class F>
  void beside(F& f) {
    struct back {
      cuda_resources& of;
      cuda_lane* before;
      ~back() { of.lane = before; }
    } const at_the_end{*this, lane};
    lane = &side_lane();
    f();
  }
  std::uint64_t moves() const { return factors.moves + main->moves() + (side ? side->moves() : 0); }

  // Made when the first convolution asks for them.
  const cudnn_descriptor& cudnn_properties() {
    if (!properties) {
      auto made = std::make_unique<cudnn_descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, ordinal);
      made->set(CUDNN_ATTR_DEVICEPROP_HANDLE, main->dnn()).finalize();
      properties = std::move(made);
    }
    return *properties;
  }

 private:
  void open(cudaStream_t users) {
    const device_scope scope(ordinal);
    main = std::make_unique<cuda_lane>(ordinal, users);
    lane = main.get();
    const bool fastest = policy.kernels == cuda_kernels::fastest;
    const int tries = fastest ? 16 : 1;
    std::size_t free = 0, total = 0;
    check_status(cudaMemGetInfo(&free, &total), "cudaMemGetInfo", ordinal);
    convolutions = {
        {!fastest, policy.math != cuda_math::fp32, std::min(total / 16, cudnn_candidates::filter{}.workspace)}, tries};
    const auto of_floats = policy.math == cuda_math::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    products = std::make_unique<cublas_lt>(ordinal, cublas_lt_choice{of_floats, !fastest, tries});
  }

  void close() noexcept {
    int before = 0;
    const bool switched = cudaGetDevice(&before) == cudaSuccess && cudaSetDevice(ordinal) == cudaSuccess;
    if (main) cudaStreamSynchronize(main->stream());
    const std::lock_guard alone(recordings);
    side.reset(), products.reset(), plans = {}, properties.reset(), main.reset();
    if (switched && has_context(before)) cudaSetDevice(before);
  }
};

}  // namespace firecaffe
