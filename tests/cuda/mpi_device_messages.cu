// ranks: 1 2 4
// Sums in a device's memory over an MPI that says that it reads it; where it does not, that it is refused.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "device_buckets.hpp"
#include "firecaffe/comm/algorithms.hpp"
#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/mpi_device_messages.hpp"
#include "firecaffe/comm/mpi_session.hpp"
#include "firecaffe/cuda.hpp"
#include "firecaffe/mpi.hpp"
#include "no_device.hpp"

using namespace firecaffe;
using on_device = mpi::device_messages<firecaffe::cuda>;

static_assert(gradient_communicator<ring<on_device>> && sums_on_device<tree<on_device>>);

namespace {

unsigned shared_seed() {
  unsigned seed = std::random_device{}() % 1000000;
  MPI_Bcast(&seed, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
  return seed;
}

template <class Communicator>
void check_sums(unsigned seed) {
  Communicator all{MPI_COMM_WORLD, communicator_options{.segment_bytes = 16 << 10}};
  INFO(Communicator::name(), ", seed ", seed);
  std::mt19937 same{seed};
  std::vector<std::size_t> sizes;
  for (int b = 0; b < 4; ++b) sizes.push_back(same() % 50000);
  test::device_buckets data(firecaffe::cuda::for_rank(all.node_rank(), all.node_size(), 1), sizes);
  for (int iteration = 0; iteration < 3; ++iteration) {
    data.fill(all.rank());
    for (std::size_t b = 0; b < data.count(); ++b) all.start(static_cast<int>(b), data.bucket(b));
    double count = 1;
    all.sum({&count, 1});
    CHECK(count == double(all.size()));
    all.wait_all();
    for (std::size_t b = 0; b < data.count(); ++b) CHECK(data.wrong(b, all.size()) == 0);
  }
}

}  // namespace

TEST_CASE("sums where the device has them, or a refusal") {
  if (mpi::reads_device_memory()) {
    const unsigned seed = shared_seed();
    check_sums<tree<on_device>>(seed);
    check_sums<ring<on_device>>(seed);
    check_sums<halving_doubling<on_device>>(seed);
    check_sums<direct<on_device>>(seed);
  } else {
    std::string said;
    try {
      ring<on_device> all{MPI_COMM_WORLD};
    } catch (const usage_error& e) {
      said = e.what();
    }
    CHECK(said.find("use mpi::transport") != std::string::npos);
  }
}

int main(int argc, char** argv) {
  mpi::session session{argc, argv};
  if (const int status = status_without_device()) return status;
  return doctest::Context(argc, argv).run();
}
