#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

// The status of a program in this folder where there is no device: skipped (77), or, with FIRECAFFE_REQUIRE_CUDA=1 in
// the environment, failed. 0 where there is one.
inline int status_without_device() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaSuccess && devices > 0) return 0;
  const char* wanted = std::getenv("FIRECAFFE_REQUIRE_CUDA");
  const bool required = wanted && std::string_view(wanted) == "1";
  std::printf("%s: %s\n", required ? "failed" : "skipped",
              status != cudaSuccess ? cudaGetErrorString(status) : "no device");
  return required ? 1 : 77;
}
