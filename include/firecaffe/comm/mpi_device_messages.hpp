#pragma once

#include <mpi.h>
#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#include <string_view>

#include "mpi_messages.hpp"

namespace firecaffe::mpi {

// Whether this MPI says that it sends from and receives into the memory of NVIDIA devices. Open MPI and MPICH (from 4.0
// on) can be asked; others count as a no.
inline bool reads_device_memory() {
#if defined(OPEN_MPI) && defined(MPIX_CUDA_AWARE_SUPPORT)
  return MPIX_Query_cuda_support() != 0;
#elif defined(MPICH_NUMVERSION) && MPICH_NUMVERSION >= 40000000
  int yes = 0;
  return MPIX_GPU_query_support(MPIX_GPU_SUPPORT_CUDA, &yes) == MPI_SUCCESS && yes != 0;
#else
  return false;
#endif
}

// The communicator of an MPI that reads device memory without saying so (Cray's, with MPICH_GPU_SUPPORT_ENABLED=1). One
// that does not will fail in ways of its own.
struct known_to_read_device_memory {
  MPI_Comm communicator;
};

// mpi::messages straight from and to a device's memory, of MPI libraries that can (CUDA-aware ones):
//   ring<mpi::device_messages<cuda>>
// Sums are formed on the device, each segment by a kernel: name segments of 1 MiB and more where you give
// communicator_options, which is what they are without. Nothing passes through the host's memory but numbers of double.
// As ranks of a node exchange messages too, MPI's own ways between devices (NVLink) are used. Calls to MPI are made
// with the rank's device as the current one; there is no progress thread. Do not have NCCL's collectives under way at
// the same time: either may wait for a device that the other keeps busy.
//
// Throws usage_error where MPI says that it cannot.
template <class Device>
class device_messages : public messages {
 public:
  static constexpr std::string_view name = "mpi device messages";
  static constexpr bool reaches_device_memory = true;
  using memory_type = typename Device::summing_memory;

  static constexpr std::size_t segment_bytes = std::size_t{1} << 20;
  using request = messages::request;

  explicit device_messages(MPI_Comm parent) : messages(asked(parent)) {}
  explicit device_messages(known_to_read_device_memory parent) : messages(parent.communicator) {}

  memory_type memory() const { return memory_type(ordinal_); }

  request isend(int peer, int tag, const void* from, std::size_t bytes) {
    const scope here(ordinal_);
    return messages::isend(peer, tag, from, bytes);
  }
  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    const scope here(ordinal_);
    return messages::irecv(peer, tag, into, bytes);
  }
  bool test(request& r) {
    const scope here(ordinal_);
    return messages::test(r);
  }

 private:
  using scope = typename Device::scope;

  static MPI_Comm asked(MPI_Comm parent) {
    int up = 0;
    MPI_Initialized(&up);
    if (up && !reads_device_memory())
      throw usage_error(
          "mpi::device_messages: this MPI does not say that it reads the memory of devices (CUDA-aware Open MPI and "
          "MPICH do): use mpi::transport, which passes gradients through the host's memory, or nccl");
    return parent;
  }

  int ordinal_ = Device::ordinal_of(node_rank());
};

}  // namespace firecaffe::mpi
