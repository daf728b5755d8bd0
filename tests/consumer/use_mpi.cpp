// firecaffe::mpi brings MPI's C interface. MPI itself is not started: this program runs without mpirun.
#if __has_include(<firecaffe/mpi.hpp>)
#include <firecaffe/mpi.hpp>
#endif
#include <mpi.h>

int main() {
  int version = 0, subversion = 0;
  return MPI_Get_version(&version, &subversion) == MPI_SUCCESS && version >= 3 ? 0 : 1;
}
