// ranks: 2 3 4
// must fail: the loss is not finite
// A rank that leaves main by an exception while the others wait for it. Run: mpirun -n 3 mpi_dying
// The run has to end within seconds, with a status that is not 0.
#include <cstdio>
#include <vector>

#include "firecaffe/mpi.hpp"

namespace fc = firecaffe;

int main(int argc, char** argv) {
  try {
    fc::mpi::session session{argc, argv};
    std::vector<float> data(1'000'000, 1.0f);
    fc::tree<fc::mpi::transport> all{session.world(), {.timeout = std::chrono::seconds{300}}};
    all.start(0, std::span{data});
    all.wait(0);
    all.start(0, std::span{data});
    if (all.rank() == 1) throw fc::numeric_error("rank 1: the loss is not finite");
    all.wait(0);
  } catch (const fc::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
