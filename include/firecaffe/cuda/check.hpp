#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <string>

#include "../core/error.hpp"

namespace firecaffe {

[[noreturn]] inline void throw_cuda_error(const std::string& call, const std::string& what, int device) {
  throw error("cuda: " + call + ": " + what + " (device " + std::to_string(device) + ")");
}

// Return codes become errors that name the call and the device. A launch's error may show at a later call.
inline void check_status(cudaError_t status, const char* call, int device) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what can be forgotten is forgotten: the next call starts clean
  throw_cuda_error(call, cudaGetErrorString(status), device);
}

inline void check_status(cublasStatus_t status, const char* call, int device) {
  if (status != CUBLAS_STATUS_SUCCESS) throw_cuda_error(call, cublasLtGetStatusString(status), device);
}

inline void check_status(cudnnStatus_t status, const char* call, int device) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = "";
  cudnnGetLastErrorString(detail, sizeof detail);
  throw_cuda_error(call, std::string(cudnnGetErrorString(status)) + (detail[0] ? std::string(", ") + detail : ""),
                   device);
}

inline int device_count() noexcept {
  int n = 0;
  if (cudaGetDeviceCount(&n) == cudaSuccess) return n;
  cudaGetLastError();
  return 0;
}
// The ranks of a node take its devices in turn.
inline int ordinal_of(int node_rank) noexcept {
  const int n = device_count();
  return n > 0 ? node_rank % n : 0;
}

// Whether a device is in use by this process. Choosing one that is not would make a context there, which takes hundreds
// of MB: every rank of a node would have one on its first device.
inline bool has_context(int device) {
  using query = int (*)(int, unsigned*, int*);  // cuDevicePrimaryCtxGetState; 0 is success
  static const query ask = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    const bool known = cudaGetDriverEntryPointByVersion("cuDevicePrimaryCtxGetState", &found, 12000, cudaEnableDefault,
                                                        &result) == cudaSuccess &&
                       result == cudaDriverEntryPointSuccess;
    return known ? reinterpret_cast<query>(found) : nullptr;
  }();
  unsigned flags = 0;
  int active = 1;
  return !ask || ask(device, &flags, &active) != 0 || active != 0;
}

// Makes a device the calling thread's current one, and leaves the thread as it was, unless that was on a device that
// nobody uses.
class device_scope {
 public:
  explicit device_scope(int device) : device_(device) {
    check_status(cudaGetDevice(&before_), "cudaGetDevice", device);
    if (before_ != device) check_status(cudaSetDevice(device), "cudaSetDevice", device);
  }
  ~device_scope() {
    if (before_ != device_ && has_context(before_)) cudaSetDevice(before_);
  }
  device_scope(const device_scope&) = delete;
  device_scope& operator=(const device_scope&) = delete;

 private:
  int device_, before_ = 0;
};

}  // namespace firecaffe
