#pragma once

#include <mpi.h>

#include <exception>

#include "../core/error.hpp"

namespace firecaffe::mpi {

// Owns MPI, for programs that do not initialise it themselves: MPI_Init_thread with MPI_THREAD_FUNNELED (or a higher
// level) here, MPI_Finalize at the end. Throws usage_error if MPI is, or was, already initialised.
//
// MPI_Finalize waits for all ranks, so it is left out while an exception unwinds the stack: the process then ends
// without it, which mpirun and mpiexec notice and answer by ending the other ranks. So catch errors, if at all, outside
// the session's scope, and return non-zero.
class session {
 public:
  session(int& argc, char**& argv, int thread_level = MPI_THREAD_FUNNELED) {
    int up = 0;
    MPI_Initialized(&up);
    if (up) throw usage_error("MPI is already initialised: hand its communicator over instead of making a session");
    int provided = MPI_THREAD_SINGLE;
    if (MPI_Init_thread(&argc, &argv, thread_level, &provided) != MPI_SUCCESS)
      throw communication_error(0, -1, "MPI_Init_thread failed");
    if (provided < thread_level) {
      MPI_Finalize();
      throw usage_error("this MPI does not offer the thread level that was asked for");
    }
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  ~session() {
    int down = 0;
    MPI_Finalized(&down);
    if (!down && std::uncaught_exceptions() == exceptions_) MPI_Finalize();
  }

  MPI_Comm world() const { return MPI_COMM_WORLD; }

 private:
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace firecaffe::mpi
