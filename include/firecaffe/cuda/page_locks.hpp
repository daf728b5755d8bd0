#pragma once

#include <cstddef>
#include <vector>

#include "check.hpp"

namespace firecaffe {

// Memory of others on the host, page-locked while this lives, so that devices copy from it directly. What cannot be
// locked (there are limits) stays as it is, and is copied by way of memory that is.
class cuda_page_locks {
 public:
  template <class Device>
  explicit cuda_page_locks(const Device& device) : ordinal_(device.ordinal()) {}
  cuda_page_locks(const cuda_page_locks&) = delete;
  cuda_page_locks& operator=(const cuda_page_locks&) = delete;
  ~cuda_page_locks() {
    for (void* p : locked_) cudaHostUnregister(p);
  }

  void add(void* memory, std::size_t bytes) {
    if (bytes == 0) return;
    const device_scope scope(ordinal_);
    if (cudaHostRegister(memory, bytes, cudaHostRegisterPortable) == cudaSuccess)
      locked_.push_back(memory);
    else
      cudaGetLastError();
  }

 private:
  int ordinal_;
  std::vector<void*> locked_;
};

}  // namespace firecaffe
