// ranks: 1 2 4
// Sums in a device's memory over an MPI that says that it reads it; where it does not, that it is refused.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "firecaffe/comm/algorithms.hpp"
#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/mpi_device_messages.hpp"
#include "firecaffe/comm/mpi_session.hpp"
#include "firecaffe/cuda.hpp"
#include "firecaffe/mpi.hpp"

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
  firecaffe::cuda device = firecaffe::cuda::for_rank(all.node_rank(), all.node_size(), 1);
  std::vector<std::vector<float>> host;
  std::vector<device_memory<float>> memory;
  for (int b = 0; b < 4; ++b) {
    host.emplace_back(same() % 50000);
    memory.push_back(device.allocate<float>(host.back().size()));
  }
  const auto p = static_cast<std::size_t>(all.size());
  for (int iteration = 0; iteration < 3; ++iteration) {
    for (std::size_t b = 0; b < host.size(); ++b) {
      for (std::size_t i = 0; i < host[b].size(); ++i)
        host[b][i] = static_cast<float>((i + b) % 1000 + static_cast<std::size_t>(all.rank()));
      device.upload(memory[b].data(), host[b].data(), host[b].size());
    }
    device.synchronize();
    for (std::size_t b = 0; b < host.size(); ++b)
      all.start(static_cast<int>(b), std::span{memory[b].data(), host[b].size()});
    double count = 1;
    all.sum({&count, 1});
    CHECK(count == double(p));
    all.wait_all();
    for (std::size_t b = 0; b < host.size(); ++b) {
      device.download(host[b].data(), memory[b].data(), host[b].size());
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < host[b].size(); ++i)
        wrong += host[b][i] != static_cast<float>(p * ((i + b) % 1000) + p * (p - 1) / 2);
      CHECK(wrong == 0);
    }
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
  if (!firecaffe::cuda::available()) {
    std::printf("skipped: no device\n");
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
