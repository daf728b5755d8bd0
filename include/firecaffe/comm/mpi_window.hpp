#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mpi_duplicate.hpp"

namespace firecaffe::mpi {

// Memory of the ranks of a node that all of them can address: each rank has a part in every window. `allocate` and
// destruction are collective over them; windows are freed when the duplicate's communicators may be.
class node_window {
 public:
  explicit node_window(duplicate& own) : own_(own) {}
  node_window(const node_window&) = delete;
  node_window& operator=(const node_window&) = delete;

  ~node_window() {
    if (!own_.may_free()) return;
    for (window& w : windows_) {
      MPI_Win_unlock_all(w.handle);
      MPI_Win_free(&w.handle);
    }
  }

  std::size_t size() const { return static_cast<std::size_t>(own_.node_size()); }
  std::size_t place() const { return static_cast<std::size_t>(own_.node_rank()); }  // of this rank, as in a node_map
  void barrier() { check(MPI_Barrier(own_.node()), "MPI_Barrier", own_.rank()); }
  void keep() noexcept { own_.keep(); }

  // A window in which this rank has `bytes` bytes, page by page apart from the others', beginning at a multiple of 64.
  // Throws communication_error where the system has no room for it.
  std::byte* allocate(std::size_t bytes) {
    window w{MPI_WIN_NULL, bytes};
    MPI_Info info = MPI_INFO_NULL;
    MPI_Info_create(&info);
    MPI_Info_set(info, "alloc_shared_noncontig", "true");
    void* base = nullptr;
    const int code =
        MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes + alignment), 1, info, own_.node(), &base, &w.handle);
    MPI_Info_free(&info);
    if (code != MPI_SUCCESS)
      throw communication_error(
          own_.rank(), -1,
          "MPI_Win_allocate_shared of " + std::to_string(bytes) +
              " bytes failed: is there room in /dev/shm? mpi::messages does without shared memory");
    for (std::size_t i = 0; i < size(); ++i) {
      MPI_Aint length = 0;
      int unit = 0;
      void* part = nullptr;
      check(MPI_Win_shared_query(w.handle, static_cast<int>(i), &length, &unit, &part), "MPI_Win_shared_query",
            own_.rank());
      bases_.push_back(aligned(part));
    }
    check(MPI_Win_lock_all(MPI_MODE_NOCHECK, w.handle), "MPI_Win_lock_all", own_.rank());
    windows_.push_back(w);
    return bases_[bases_.size() - size() + place()];
  }

  std::size_t windows() const { return windows_.size(); }
  std::byte* base(std::size_t index, std::size_t place) const { return bases_[index * size() + place]; }

  // The window in which this rank's part holds [from, from + bytes); windows() if none does.
  std::size_t find(const std::byte* from, std::size_t bytes) const {
    std::size_t i = windows_.size();
    while (i-- > 0) {
      const std::byte* const begin = base(i, place());
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

  duplicate& own_;
  std::vector<window> windows_;
  std::vector<std::byte*> bases_;  // by window and place
};

}  // namespace firecaffe::mpi
