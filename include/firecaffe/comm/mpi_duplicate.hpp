#pragma once

#include <mpi.h>

#include <exception>
#include <string>

#include "../core/error.hpp"

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

// A duplicate of the user's communicator, so that tags, collectives and errors stay apart from the user's, and the part
// of it whose ranks share a node. Standard MPI-3; MPI must be initialised, at any thread level.
//
// Construction is collective over `parent`, and so is destruction, which frees both; but not after a failure (`keep`),
// while an exception unwinds, or once MPI is finalised: then they are left to MPI.
class duplicate {
 public:
  duplicate(MPI_Comm parent, const char* user) {
    int up = 0, down = 0;
    MPI_Initialized(&up);
    MPI_Finalized(&down);
    if (!up || down)
      throw usage_error(std::string(user) + " needs MPI initialised and not finalised (see mpi::session)");
    if (parent == MPI_COMM_NULL) throw usage_error(std::string(user) + " was given MPI_COMM_NULL");
    MPI_Comm_rank(parent, &rank_);
    MPI_Comm_size(parent, &size_);
    check(MPI_Comm_dup(parent, &all_), "MPI_Comm_dup", rank_);
    MPI_Comm_set_errhandler(all_, MPI_ERRORS_RETURN);
    check(MPI_Comm_split_type(all_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_), "MPI_Comm_split_type", rank_);
    MPI_Comm_set_errhandler(node_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(node_, &node_rank_);
    MPI_Comm_size(node_, &node_size_);
  }
  duplicate(const duplicate&) = delete;
  duplicate& operator=(const duplicate&) = delete;

  ~duplicate() {
    if (!may_free()) return;
    MPI_Comm_free(&node_);
    MPI_Comm_free(&all_);
  }

  MPI_Comm all() const { return all_; }
  MPI_Comm node() const { return node_; }  // its ranks in order of rank
  int rank() const { return rank_; }
  int size() const { return size_; }
  int node_rank() const { return node_rank_; }
  int node_size() const { return node_size_; }

  void keep() noexcept { kept_ = true; }

  // Whether the ranks can be expected to take part in freeing something together.
  bool may_free() const {
    int down = 0;
    MPI_Finalized(&down);
    return !down && !kept_ && std::uncaught_exceptions() == exceptions_;
  }

 private:
  MPI_Comm all_ = MPI_COMM_NULL, node_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, node_rank_ = 0, node_size_ = 1;
  int exceptions_ = std::uncaught_exceptions();
  bool kept_ = false;
};

}  // namespace firecaffe::mpi
