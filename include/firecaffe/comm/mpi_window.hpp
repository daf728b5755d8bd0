#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "mpi_messages.hpp"

namespace firecaffe::mpi {

// The ranks of a communicator that share a node, and memory of theirs that all of them can address. Each rank has a
// part in every window. Construction, `allocate` and destruction are collective over the node's ranks; a window is
// freed with this object, but not after a failure (`keep`), while an exception unwinds, or once MPI is finalised.
class node_window {
 public:
  node_window(MPI_Comm parent, int rank) : rank_(rank) {
    check(MPI_Comm_split_type(parent, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &comm_), "MPI_Comm_split_type", rank);
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    int place = 0, size = 1;
    MPI_Comm_rank(comm_, &place);
    MPI_Comm_size(comm_, &size);
    place_ = static_cast<std::size_t>(place);
    size_ = static_cast<std::size_t>(size);
  }
  node_window(const node_window&) = delete;
  node_window& operator=(const node_window&) = delete;

  ~node_window() {
    int down = 0;
    MPI_Finalized(&down);
    if (down || kept_ || std::uncaught_exceptions() != exceptions_) return;
    for (window& w : windows_) {
      MPI_Win_unlock_all(w.handle);
      MPI_Win_free(&w.handle);
    }
    MPI_Comm_free(&comm_);
  }

  std::size_t size() const { return size_; }
  std::size_t place() const { return place_; }  // of this rank in the node, in order of rank as in a node_map
  void barrier() { check(MPI_Barrier(comm_), "MPI_Barrier", rank_); }
  void keep() noexcept { kept_ = true; }

  // A window in which this rank has `bytes` bytes, page by page apart from the others', beginning at a multiple of 64.
  // Throws communication_error where the system has no room for it.
  std::byte* allocate(std::size_t bytes) {
    window w{MPI_WIN_NULL, bytes};
    MPI_Info info = MPI_INFO_NULL;
    MPI_Info_create(&info);
    MPI_Info_set(info, "alloc_shared_noncontig", "true");
    void* base = nullptr;
    const int code =
        MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes + alignment), 1, info, comm_, &base, &w.handle);
    MPI_Info_free(&info);
    if (code != MPI_SUCCESS)
      throw communication_error(
          rank_, -1,
          "MPI_Win_allocate_shared of " + std::to_string(bytes) +
              " bytes failed: is there room in /dev/shm? mpi::messages does without shared memory");
    for (std::size_t i = 0; i < size_; ++i) {
      MPI_Aint length = 0;
      int unit = 0;
      void* part = nullptr;
      check(MPI_Win_shared_query(w.handle, static_cast<int>(i), &length, &unit, &part), "MPI_Win_shared_query", rank_);
      bases_.push_back(aligned(part));
    }
    check(MPI_Win_lock_all(MPI_MODE_NOCHECK, w.handle), "MPI_Win_lock_all", rank_);
    windows_.push_back(w);
    return bases_[bases_.size() - size_ + place_];
  }

  std::size_t windows() const { return windows_.size(); }
  std::byte* base(std::size_t index, std::size_t place) const { return bases_[index * size_ + place]; }

  // The window in which this rank's part holds [from, from + bytes); windows() if none does.
  std::size_t find(const std::byte* from, std::size_t bytes) const {
    std::size_t i = windows_.size();
    while (i-- > 0) {
      const std::byte* const begin = base(i, place_);
      if (from >= begin && from + bytes <= begin + windows_[i].bytes) return i;
    }
    return windows_.size();
  }

 private:
  static constexpr std::size_t alignment = 64;

  // MPI promises nothing. Every rank finds the same place, as all map whole pages.
  static std::byte* aligned(void* part) {
    const std::size_t over = reinterpret_cast<std::uintptr_t>(part) % alignment;
    return static_cast<std::byte*>(part) + (over == 0 ? 0 : alignment - over);
  }

  struct window {
    MPI_Win handle;
    std::size_t bytes;
  };

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_;
  std::size_t place_ = 0, size_ = 1;
  std::vector<window> windows_;
  std::vector<std::byte*> bases_;  // by window and place
  int exceptions_ = std::uncaught_exceptions();
  bool kept_ = false;
};

}  // namespace firecaffe::mpi
