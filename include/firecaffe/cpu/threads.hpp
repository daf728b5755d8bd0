#pragma once

#include <omp.h>
#include <sched.h>
#include <unistd.h>

// Present in OpenBLAS alone; null with any other BLAS.
extern "C" {
int openblas_get_num_threads(void) __attribute__((weak));
void openblas_set_num_threads(int) __attribute__((weak));
}

namespace firecaffe {

// Cores this process may run on, as its launcher bound it.
inline int available_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

inline int online_cores() { return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)); }

// Vendor libraries ask OpenMP and the BLAS how many threads to use; the caller's setting is put back afterwards.
class thread_scope {
 public:
  explicit thread_scope(int threads) : openmp_(omp_get_max_threads()) {
    if (openmp_ != threads) omp_set_num_threads(threads);
    threads_ = threads;
  }
  ~thread_scope() {
    if (openmp_ != threads_) omp_set_num_threads(openmp_);
  }
  thread_scope(const thread_scope&) = delete;

 private:
  int openmp_, threads_;
};

// The device splits matrices over its own threads, so the BLAS is called with one. Set where it differs, and left so:
// the BLAS's setting is one for the process, and putting it back would race with other ranks in it.
inline void one_blas_thread() {
  if (openblas_set_num_threads && openblas_get_num_threads && openblas_get_num_threads() != 1)
    openblas_set_num_threads(1);
}

}  // namespace firecaffe
