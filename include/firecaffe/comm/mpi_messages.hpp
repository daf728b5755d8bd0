#pragma once

#include <mpi.h>

#include <chrono>
#include <climits>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "mpi_duplicate.hpp"
#include "node_map.hpp"
#include "transport.hpp"

namespace firecaffe::mpi {

// Point-to-point messages on a duplicate of the user's communicator (see mpi::duplicate for when it comes and goes;
// MPICH asks the handler of MPI_COMM_WORLD about messages longer than their receive, which end the job unless that
// handler returns). All calls come from the thread that may call MPI. Never initialises, finalises or aborts MPI.
class messages {
 public:
  static constexpr std::string_view name = "mpi messages";
  static constexpr bool reaches_device_memory = false;

  struct request {
    MPI_Request handle = MPI_REQUEST_NULL;
    std::size_t bytes = 0;
    int peer = -1;
    bool sends = false;
  };

  // Messages of more than `whole` bytes travel as one derived datatype, because MPI counts in int.
  explicit messages(MPI_Comm parent, std::size_t whole = INT_MAX) : own_(parent, "mpi::messages"), whole_(whole) {
    int first = rank();  // of the node's
    MPI_Bcast(&first, 1, MPI_INT, 0, own_.node());
    std::vector<int> first_of_node(static_cast<std::size_t>(size()));
    check(MPI_Allgather(&first, 1, MPI_INT, first_of_node.data(), 1, MPI_INT, own_.all()), "MPI_Allgather", rank());
    nodes_ = node_map(std::move(first_of_node));
    void* bound = nullptr;
    int known = 0;
    MPI_Comm_get_attr(own_.all(), MPI_TAG_UB, &bound, &known);
    largest_tag_ = known ? *static_cast<int*>(bound) : 32767;
  }

  int rank() const { return own_.rank(); }
  int size() const { return own_.size(); }
  int node_rank() const { return own_.node_rank(); }
  int node_size() const { return own_.node_size(); }
  const node_map& nodes() const { return nodes_; }
  int largest_tag() const { return largest_tag_; }
  duplicate& own() { return own_; }

  // Throws usage_error unless MPI may be called by several threads at once.
  void allow_threads() const {
    int level = MPI_THREAD_SINGLE;
    MPI_Query_thread(&level);
    if (level < MPI_THREAD_MULTIPLE)
      throw usage_error("a progress thread needs MPI_THREAD_MULTIPLE (session{argc, argv, MPI_THREAD_MULTIPLE})");
  }

  request isend(int peer, int tag, const void* from, std::size_t bytes) {
    request r{MPI_REQUEST_NULL, bytes, peer, true};
    typed(bytes, peer,
          [&](int count, MPI_Datatype type) { return MPI_Isend(from, count, type, peer, tag, own_.all(), &r.handle); });
    return r;
  }

  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    request r{MPI_REQUEST_NULL, bytes, peer, false};
    typed(bytes, peer,
          [&](int count, MPI_Datatype type) { return MPI_Irecv(into, count, type, peer, tag, own_.all(), &r.handle); });
    return r;
  }

  bool test(request& r) {
    int complete = 0;
    MPI_Status status;
    const int code = MPI_Test(&r.handle, &complete, &status);
    if (code != MPI_SUCCESS) own_.keep();
    check(code, r.sends ? "sending" : "receiving", rank(), r.peer);
    if (complete) stir();
    if (!complete || r.sends) return complete != 0;
    MPI_Count got = 0;
    MPI_Get_elements_x(&status, MPI_BYTE, &got);
    if (static_cast<std::size_t>(got) != r.bytes) {
      own_.keep();
      throw communication_error(rank(), r.peer,
                                "lengths differ: " + std::to_string(r.bytes) + " bytes here, " + std::to_string(got) +
                                    " at rank " + std::to_string(r.peer));
    }
    return true;
  }

  // Takes back a receive that was not met; what is halfway gets a moment to arrive. A send cannot be taken back.
  bool cancel(request& r) noexcept {
    own_.keep();
    int complete = 0;
    MPI_Finalized(&complete);
    if (complete || r.handle == MPI_REQUEST_NULL) return true;
    if (!r.sends) MPI_Cancel(&r.handle);
    const auto start = std::chrono::steady_clock::now();
    do {
      if (MPI_Test(&r.handle, &complete, MPI_STATUS_IGNORE) != MPI_SUCCESS || complete) return true;
      std::this_thread::yield();
    } while (!r.sends && std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100));
    return false;
  }

  // Something came to this rank, by messages or another way.
  void stir() { moved_ = true; }

  // Lets others have the core. After a millisecond in which nothing came it sleeps for moments; where the wait is for
  // the network also when others took the core, so that the kernel has room to move messages.
  void idle(bool for_network = true) {
    const clock::time_point now = clock::now();
    if (moved_) last_move_ = now, moved_ = false;
    if (now - last_move_ < std::chrono::milliseconds(1)) {
      std::this_thread::yield();
      if (!for_network || clock::now() - now < std::chrono::microseconds(20)) return;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

 private:
  using clock = std::chrono::steady_clock;

  template <class Post>
  void typed(std::size_t bytes, int peer, Post post) {
    if (bytes <= whole_) {
      const int code = post(static_cast<int>(bytes), MPI_BYTE);
      if (code != MPI_SUCCESS) own_.keep();
      return check(code, "posting a message", rank(), peer);
    }
    // Blocks of `whole_` bytes and the rest. MPI frees the types when the message is through.
    MPI_Datatype block = MPI_DATATYPE_NULL, message = MPI_DATATYPE_NULL;
    const std::size_t blocks = bytes / whole_;
    check(MPI_Type_contiguous(static_cast<int>(whole_), MPI_BYTE, &block), "MPI_Type_contiguous", rank());
    int lengths[2] = {static_cast<int>(blocks), static_cast<int>(bytes % whole_)};
    MPI_Aint places[2] = {0, static_cast<MPI_Aint>(blocks * whole_)};
    MPI_Datatype types[2] = {block, MPI_BYTE};
    int code = MPI_Type_create_struct(2, lengths, places, types, &message);
    MPI_Type_free(&block);
    check(code, "MPI_Type_create_struct", rank());
    code = MPI_Type_commit(&message);
    if (code == MPI_SUCCESS) code = post(1, message);
    MPI_Type_free(&message);
    if (code != MPI_SUCCESS) own_.keep();
    check(code, "posting a message", rank(), peer);
  }

  duplicate own_;
  std::size_t whole_;
  int largest_tag_ = 32767;
  node_map nodes_{1};
  bool moved_ = true;  // since the last idle()
  clock::time_point last_move_{};
};

}  // namespace firecaffe::mpi
