#pragma once

#include <mpi.h>

#include <chrono>
#include <climits>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "node_map.hpp"
#include "transport.hpp"

namespace firecaffe::mpi {

// MPI's return codes as communication_error, with MPI's own text.
inline void check(int code, const char* call, int rank, int peer = -1) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw communication_error(rank, peer,
                            std::string(call) + (peer < 0 ? "" : " with rank " + std::to_string(peer)) + ": " +
                                std::string(text, static_cast<std::size_t>(length)));
}

// Point-to-point messages on a duplicate of the user's communicator, so that tags and errors stay apart from the
// user's (MPICH asks the handler of MPI_COMM_WORLD about messages longer than their receive, which end the job unless
// that handler returns). Standard MPI-3; MPI must be initialised, at any thread level, and all calls come from the
// thread that may call MPI. Never initialises, finalises or aborts MPI.
//
// Construction is collective over `parent`, and so is destruction, which frees the duplicate; but not after a failure,
// while an exception unwinds, or once MPI is finalised: then the duplicate is left to MPI.
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
  explicit messages(MPI_Comm parent, std::size_t whole = INT_MAX) : whole_(whole) {
    int up = 0, down = 0;
    MPI_Initialized(&up);
    MPI_Finalized(&down);
    if (!up || down) throw usage_error("mpi::messages needs MPI initialised and not finalised (see mpi::session)");
    if (parent == MPI_COMM_NULL) throw usage_error("mpi::messages was given MPI_COMM_NULL");
    MPI_Comm_rank(parent, &rank_);
    MPI_Comm_size(parent, &size_);
    check(MPI_Comm_dup(parent, &comm_), "MPI_Comm_dup", rank_);
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm node = MPI_COMM_NULL;
    check(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node), "MPI_Comm_split_type", rank_);
    MPI_Comm_rank(node, &node_rank_);
    MPI_Comm_size(node, &node_size_);
    int first = rank_;  // of the node's
    MPI_Bcast(&first, 1, MPI_INT, 0, node);
    MPI_Comm_free(&node);
    std::vector<int> first_of_node(static_cast<std::size_t>(size_));
    check(MPI_Allgather(&first, 1, MPI_INT, first_of_node.data(), 1, MPI_INT, comm_), "MPI_Allgather", rank_);
    nodes_ = node_map(std::move(first_of_node));
    void* bound = nullptr;
    int known = 0;
    MPI_Comm_get_attr(comm_, MPI_TAG_UB, &bound, &known);
    largest_tag_ = known ? *static_cast<int*>(bound) : 32767;
  }
  messages(const messages&) = delete;
  messages& operator=(const messages&) = delete;

  ~messages() {
    int down = 0;
    MPI_Finalized(&down);
    if (!down && !damaged_ && std::uncaught_exceptions() == exceptions_) MPI_Comm_free(&comm_);
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  int node_rank() const { return node_rank_; }
  int node_size() const { return node_size_; }
  const node_map& nodes() const { return nodes_; }
  int largest_tag() const { return largest_tag_; }

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
          [&](int count, MPI_Datatype type) { return MPI_Isend(from, count, type, peer, tag, comm_, &r.handle); });
    return r;
  }

  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    request r{MPI_REQUEST_NULL, bytes, peer, false};
    typed(bytes, peer,
          [&](int count, MPI_Datatype type) { return MPI_Irecv(into, count, type, peer, tag, comm_, &r.handle); });
    return r;
  }

  bool test(request& r) {
    int complete = 0;
    MPI_Status status;
    const int code = MPI_Test(&r.handle, &complete, &status);
    if (code != MPI_SUCCESS) damaged_ = true;
    check(code, r.sends ? "sending" : "receiving", rank_, r.peer);
    if (complete) moved_ = true;
    if (!complete || r.sends) return complete != 0;
    MPI_Count got = 0;
    MPI_Get_elements_x(&status, MPI_BYTE, &got);
    if (static_cast<std::size_t>(got) != r.bytes) {
      damaged_ = true;
      throw communication_error(rank_, r.peer,
                                "lengths differ: " + std::to_string(r.bytes) + " bytes here, " + std::to_string(got) +
                                    " at rank " + std::to_string(r.peer));
    }
    return true;
  }

  // Takes back a receive that was not met; what is halfway gets a moment to arrive. A send cannot be taken back.
  bool cancel(request& r) noexcept {
    damaged_ = true;
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

  // Lets others have the core. After a millisecond in which nothing came it sleeps for moments: where more ranks than
  // cores wait, that is several times as fast, and elsewhere it costs at most a tenth of the wait.
  void idle() {
    const clock::time_point now = clock::now();
    if (moved_) last_move_ = now, moved_ = false;
    if (now - last_move_ < std::chrono::milliseconds(1))
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

 private:
  using clock = std::chrono::steady_clock;

  template <class Post>
  void typed(std::size_t bytes, int peer, Post post) {
    if (bytes <= whole_) {
      const int code = post(static_cast<int>(bytes), MPI_BYTE);
      if (code != MPI_SUCCESS) damaged_ = true;
      return check(code, "posting a message", rank_, peer);
    }
    // Blocks of `whole_` bytes and the rest. MPI frees the types when the message is through.
    MPI_Datatype block = MPI_DATATYPE_NULL, message = MPI_DATATYPE_NULL;
    const std::size_t blocks = bytes / whole_;
    check(MPI_Type_contiguous(static_cast<int>(whole_), MPI_BYTE, &block), "MPI_Type_contiguous", rank_);
    int lengths[2] = {static_cast<int>(blocks), static_cast<int>(bytes % whole_)};
    MPI_Aint places[2] = {0, static_cast<MPI_Aint>(blocks * whole_)};
    MPI_Datatype types[2] = {block, MPI_BYTE};
    int code = MPI_Type_create_struct(2, lengths, places, types, &message);
    MPI_Type_free(&block);
    check(code, "MPI_Type_create_struct", rank_);
    code = MPI_Type_commit(&message);
    if (code == MPI_SUCCESS) code = post(1, message);
    MPI_Type_free(&message);
    if (code != MPI_SUCCESS) damaged_ = true;
    check(code, "posting a message", rank_, peer);
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  std::size_t whole_;
  int rank_ = 0, size_ = 1, node_rank_ = 0, node_size_ = 1, largest_tag_ = 32767;
  node_map nodes_{1};
  int exceptions_ = std::uncaught_exceptions();
  bool damaged_ = false;
  bool moved_ = true;  // since the last idle()
  clock::time_point last_move_{};
};

}  // namespace firecaffe::mpi
