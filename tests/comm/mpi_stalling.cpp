// ranks: 2 3 4
// must fail: waited 2 s for rank 1
// A rank that is alive but does not come: rank 0 has to name it, and the run has to end. Run: mpirun -n 3 mpi_stalling
// Expected on stderr:
//   rank 0: waited 2 s for rank 1, bucket 5: receive_add of elements [0, 15360), step 1 of ...
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "firecaffe/mpi.hpp"

namespace fc = firecaffe;

int main(int argc, char** argv) {
  try {
    fc::mpi::session session{argc, argv};
    int rank = 0;
    MPI_Comm_rank(session.world(), &rank);
    std::vector<float> data(1'000'000, 1.0f);
    fc::tree<fc::mpi::transport> all{session.world(), {.timeout = std::chrono::seconds{rank == 0 ? 2 : 300}}};
    if (all.rank() == 1) std::this_thread::sleep_for(std::chrono::seconds{300});
    all.start(5, std::span{data});
    all.wait(5);
  } catch (const fc::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
