// ranks: 2 3
// Run under mpirun: mpirun -n 3 mpi_allreduce
#define DOCTEST_CONFIG_IMPLEMENT
#include "firecaffe/comm/mpi_allreduce.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/mpi_session.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

static_assert(gradient_communicator<mpi_allreduce>);
static_assert(gradient_communicator<blocking_mpi_allreduce>);
// 2 (p - 1) / p of the bucket, rounded down.
static_assert(mpi_allreduce::bytes_sent(0, 1, 1000, 4) == 0 && mpi_allreduce::bytes_sent(0, 2, 1000, 4) == 4000 &&
              blocking_mpi_allreduce::bytes_sent(3, 4, 7, 4) == 42 && mpi_allreduce::bytes_sent(0, 3, 1, 4) == 5);

namespace {

int world(int (*ask)(MPI_Comm, int*)) {
  int value = 0;
  ask(MPI_COMM_WORLD, &value);
  return value;
}
int world_rank() { return world(MPI_Comm_rank); }
int world_size() { return world(MPI_Comm_size); }

unsigned shared_seed() {
  unsigned seed = std::random_device{}() % 1000000;
  MPI_Bcast(&seed, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
  return seed;
}

template <class T>
std::vector<T> values(int rank, std::size_t n, unsigned seed) {
  std::mt19937 random{seed * 64 + static_cast<unsigned>(rank)};
  std::vector<T> v(n);
  for (T& x : v) x = std::uniform_real_distribution<T>{-1, 1}(random);
  return v;
}

template <class T>
bool is_sum(const std::vector<T>& data, unsigned seed) {
  std::vector<double> expected(data.size());
  for (int r = 0; r < world_size(); ++r) {
    const std::vector<T> part = values<T>(r, data.size(), seed);
    for (std::size_t i = 0; i < data.size(); ++i) expected[i] += static_cast<double>(part[i]);
  }
  for (std::size_t i = 0; i < data.size(); ++i)
    if (!(std::abs(static_cast<double>(data[i]) - expected[i]) <=
          world_size() * world_size() * static_cast<double>(std::numeric_limits<T>::epsilon())))
      return false;
  return true;
}

}  // namespace

TEST_CASE_TEMPLATE("several buckets at once, in pieces, beside the user's own traffic", Communicator, mpi_allreduce,
                   blocking_mpi_allreduce) {
  const unsigned seed = shared_seed();
  CAPTURE(seed);
  std::mt19937 same{seed};
  Communicator all{MPI_COMM_WORLD, {.timeout = 30s}, 1000};
  REQUIRE(all.rank() == world_rank());
  REQUIRE(all.size() == world_size());
  REQUIRE((all.node_rank() >= 0 && all.node_rank() < all.node_size()));
  for (unsigned repeat = 0; repeat < 20; ++repeat) {
    std::size_t n[4];
    for (std::size_t& count : n) count = repeat == 0 ? 0 : repeat == 1 ? 1 : repeat == 2 ? 1000 : same() % 5000;
    CAPTURE(n[0]);
    std::vector<float> a = values<float>(all.rank(), n[0], seed), b = values<float>(all.rank(), n[1], seed + repeat);
    std::vector<double> c = values<double>(all.rank(), n[2], seed), d = values<double>(all.rank(), n[3], seed + 1);
    all.template prepare<double>(7, n[2]);
    all.start(0, std::span{a});
    all.start(7, std::span{c});
    double own[1] = {1};
    MPI_Allreduce(MPI_IN_PLACE, own, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    REQUIRE(own[0] == world_size());
    all.start(1, std::span{b});
    all.start(2, std::span{d});
    double few[2] = {static_cast<double>(all.rank()), 1};
    all.sum(few);
    REQUIRE((few[0] == world_size() * (world_size() - 1) / 2 && few[1] == world_size()));
    all.wait(7);
    REQUIRE((all.finished(7) && all.finished(1000)));
    REQUIRE(is_sum(c, seed));
    if (repeat % 2 == 0) {
      all.wait_all();
    } else {
      while (!all.progress()) continue;
    }
    REQUIRE((all.finished(0) && all.finished(1) && all.finished(2)));
    REQUIRE(is_sum(a, seed));
    REQUIRE(is_sum(b, seed + repeat));
    REQUIRE(is_sum(d, seed + 1));
  }
}

TEST_CASE("a blocking sum is there when start returns, the other one only when all came") {
  std::vector<float> data(10, 1.0f);
  blocking_mpi_allreduce blocking{MPI_COMM_WORLD};
  blocking.start(3, std::span{data});
  CHECK(blocking.finished(3));
  CHECK(data[9] == static_cast<float>(world_size()));

  mpi_allreduce all{MPI_COMM_WORLD, {.timeout = 30s}};
  std::vector<float> more(100000, 1.0f);
  if (world_rank() != 0) MPI_Barrier(MPI_COMM_WORLD);  // nobody else starts before rank 0 has looked
  all.start(3, std::span{more});
  if (world_rank() == 0) {
    CHECK_FALSE(all.progress());
    CHECK_FALSE(all.finished(3));
    CHECK_THROWS_AS(all.start(3, std::span{more}), usage_error);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  all.wait(3);
  CHECK(more[99999] == static_cast<float>(world_size()));
}

TEST_CASE_TEMPLATE("ranks that do not agree are told", Communicator, mpi_allreduce, blocking_mpi_allreduce) {
  Communicator all{MPI_COMM_WORLD, {.timeout = 30s}};
  all.agree(42, "a test");
  const bool last = all.rank() == all.size() - 1;
  try {
    all.agree(last ? 1 : 2, last ? "batch 32" : "batch 64");
    FAIL("they do not agree");
  } catch (const communication_error& e) {
    CHECK(e.peer == (last ? 0 : all.size() - 1));
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find("rank 0 has batch 64; " + Communicator::name()) != std::string::npos);
    CHECK(what.find("has batch 32; " + Communicator::name()) != std::string::npos);
  }
  double x[1] = {1};
  all.sum(x);  // still usable
  CHECK(x[0] == all.size());
}

TEST_CASE("a rank that does not come is an error in time") {
  static std::vector<float> data(1000, 1.0f);  // MPI may write to it for as long as it likes
  std::string said;
  bool unusable = false;
  try {
    mpi_allreduce all{MPI_COMM_WORLD, {.timeout = 300ms}};
    if (all.rank() != 0) {
      all.start(5, std::span{data});
      try {
        all.wait(5);
      } catch (const communication_error& e) {
        said = e.what();
        try {
          all.progress();
        } catch (const communication_error&) {
          unusable = true;
        }
      }
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (all.rank() == 0) all.start(5, std::span{data});  // so that MPI has nothing left under way
    MPI_Barrier(MPI_COMM_WORLD);
    throw std::runtime_error("no rank frees what some ranks cannot free");
  } catch (const std::runtime_error& e) {
    CHECK(std::string(e.what()).find("no rank frees") == 0);
  }
  if (world_rank() == 0) return;
  INFO(said);
  CHECK(said.find("waited 0.3 s for MPI_Iallreduce, bucket 5") != std::string::npos);
  CHECK(unusable);
}

TEST_CASE("what cannot be used") {
  CHECK_THROWS_AS(mpi_allreduce{MPI_COMM_NULL}, usage_error);
  CHECK_THROWS_AS((mpi_allreduce{MPI_COMM_WORLD, {}, 0}), usage_error);
  mpi_allreduce all{MPI_COMM_WORLD};
  std::vector<float> data(1);
  CHECK_THROWS_AS(all.start(-1, std::span{data}), usage_error);
}

int main(int argc, char** argv) {
  mpi::session session{argc, argv};
  doctest::Context context{argc, argv};
  return context.run();
}
