#pragma once

#include <cstddef>
#include <vector>

#include "check.hpp"

namespace firecaffe {

// Memory of others on the host, page-locked while this lives, so that devices copy from it directly. What cannot be
// locked (there are limits) stays as it is, and is copied by way of memory that is.
class cuda_page_locks {
 public:
  cuda_page_locks() = default;
  cuda_page_locks(const cuda_page_locks&) = delete;
  cuda_page_locks& operator=(const cuda_page_locks&) = delete;
  ~cuda_page_locks() {
    for (void* p : locked_) cudaHostUnregister(p);
  }

  void add(void* memory, std::size_t bytes) {
    if (bytes == 0) return;
    if (cudaHostRegister(memory, bytes, cudaHostRegisterPortable) == cudaSuccess)
      locked_.push_back(memory);
    else
      cudaGetLastError();
  }

 private:
  std::vector<void*> locked_;
};

}  // namespace firecaffe
