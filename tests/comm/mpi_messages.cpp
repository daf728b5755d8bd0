// Run under mpirun with any number of ranks: mpirun -n 4 mpi_messages
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "firecaffe/mpi.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

static_assert(transport<mpi::messages>);
static_assert(gradient_communicator<tree<mpi::messages>>);

namespace {

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}
int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

std::vector<float> values(int rank, std::size_t n, unsigned seed) {
  std::mt19937 random{seed + static_cast<unsigned>(rank)};
  std::vector<float> v(n);
  for (float& x : v) x = std::uniform_real_distribution<float>{-1, 1}(random);
  return v;
}

}  // namespace

TEST_CASE("sums of random sizes have the same bits everywhere") {
  unsigned seed = std::random_device{}() % 1000000;
  MPI_Bcast(&seed, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
  CAPTURE(seed);
  std::mt19937 same{seed};
  tree<mpi::messages> all{MPI_COMM_WORLD, {.segment_bytes = 4096, .timeout = 30s}};
  REQUIRE(all.rank() == world_rank());
  REQUIRE(all.size() == world_size());
  REQUIRE((all.node_rank() >= 0 && all.node_rank() < all.node_size()));
  all.agree(42, "a test");
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::size_t n = repeat < 3 ? static_cast<std::size_t>(repeat) : same() % 100000;
    CAPTURE(n);
    std::vector<float> data = values(all.rank(), n, seed);
    all.start(repeat % 3, std::span{data});
    all.wait(repeat % 3);
    std::vector<double> expected(n);
    for (int r = 0; r < all.size(); ++r) {
      const std::vector<float> part = values(r, n, seed);
      for (std::size_t i = 0; i < n; ++i) expected[i] += static_cast<double>(part[i]);
    }
    bool close = true;
    for (std::size_t i = 0; i < n; ++i)
      close &= std::abs(static_cast<double>(data[i]) - expected[i]) <=
               all.size() * all.size() * static_cast<double>(std::numeric_limits<float>::epsilon());
    REQUIRE(close);
    std::vector<float> of_rank_0 = data;
    MPI_Bcast(of_rank_0.data(), static_cast<int>(n), MPI_FLOAT, 0, MPI_COMM_WORLD);
    REQUIRE((n == 0 || std::memcmp(of_rank_0.data(), data.data(), n * sizeof(float)) == 0));
  }
}

TEST_CASE("the user's messages on the same communicator are left alone") {
  const int rank = world_rank(), size = world_size();
  std::vector<std::vector<double>> data(4, std::vector<double>(20000, 1.0));
  tree<mpi::messages> all{MPI_COMM_WORLD, {.segment_bytes = 16384, .timeout = 30s}};
  for (int iteration = 0; iteration < 10; ++iteration) {
    int token = -1, mine = 100 * rank + iteration;  // under the tags that buckets have
    MPI_Request requests[2];
    MPI_Irecv(&token, 1, MPI_INT, (rank + size - 1) % size, 1, MPI_COMM_WORLD, &requests[0]);
    for (int b = 0; b < 4; ++b) {
      std::fill(data[static_cast<std::size_t>(b)].begin(), data[static_cast<std::size_t>(b)].end(), b + 1.0);
      all.start(b, std::span{data[static_cast<std::size_t>(b)]});
    }
    MPI_Isend(&mine, 1, MPI_INT, (rank + 1) % size, 1, MPI_COMM_WORLD, &requests[1]);
    double summed = 1;
    MPI_Allreduce(MPI_IN_PLACE, &summed, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    while (!all.progress()) continue;
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    REQUIRE(summed == size);
    REQUIRE(token == 100 * ((rank + size - 1) % size) + iteration);
    for (int b = 0; b < 4; ++b)
      REQUIRE(data[static_cast<std::size_t>(b)] == std::vector<double>(20000, size * (b + 1.0)));
  }
}

TEST_CASE("a part of the world, and two communicators at once") {
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, world_rank() % 2, 0, &half);
  std::vector<float> a(1000, 1.0f), b(1000, 1.0f);
  {
    tree<mpi::messages> some{half}, all{MPI_COMM_WORLD};
    MPI_Comm_free(&half);  // the library has its own
    some.start(0, std::span{a});
    all.start(0, std::span{b});
    all.wait_all();
    some.wait_all();
    CHECK(a[999] == static_cast<float>(some.size()));
    CHECK(b[999] == static_cast<float>(all.size()));
  }
}

TEST_CASE("messages larger than MPI can count") {
  // The limit is lowered to 1000 bytes, so that the derived datatype is used for small messages.
  mpi::messages wire{MPI_COMM_WORLD, 1000};
  for (const std::size_t n : {999u, 1000u, 1001u, 2000u, 12345u}) {
    std::vector<unsigned char> out(n), in(n, 0xee);
    for (std::size_t i = 0; i < n; ++i)
      out[i] = static_cast<unsigned char>(i * 7 + static_cast<std::size_t>(wire.rank()));
    const int before = (wire.rank() + wire.size() - 1) % wire.size();
    auto s = wire.isend((wire.rank() + 1) % wire.size(), 3, out.data(), n);
    auto r = wire.irecv(before, 3, in.data(), n);
    while (!wire.test(r)) wire.idle();
    while (!wire.test(s)) wire.idle();
    for (std::size_t i = 0; i < n; ++i)
      if (in[i] != static_cast<unsigned char>(i * 7 + static_cast<std::size_t>(before))) FAIL("byte " << i);
  }
}

TEST_CASE("ranks that do not agree are told") {
  if (world_size() == 1) return;
  tree<mpi::messages> all{MPI_COMM_WORLD, {.timeout = 30s}};
  const bool last = all.rank() == all.size() - 1;
  CHECK_THROWS_AS(all.agree(last ? 1 : 2, last ? "batch 32" : "batch 64"), communication_error);
  double x[1] = {1};
  all.sum(x);  // still usable
  CHECK(x[0] == all.size());
}

TEST_CASE("MPI's errors name the peer") {
  mpi::messages wire{MPI_COMM_WORLD};
  int x = 0;
  try {
    wire.isend(wire.size(), 0, &x, sizeof x);
    FAIL("there is no such rank");
  } catch (const communication_error& e) {
    CHECK(e.peer == wire.size());
    const std::string what = e.what(), expected = "posting a message with rank " + std::to_string(wire.size()) + ": ";
    INFO(what);
    CHECK(what.find(expected) != std::string::npos);
    CHECK(what.size() > what.find(expected) + expected.size());  // and MPI's own text
  }
  CHECK_THROWS_AS(mpi::messages{MPI_COMM_NULL}, usage_error);
}

TEST_CASE("a bucket of another size is an error, and nobody hangs") {
  if (world_size() == 1) return;
  // MPICH asks the world's handler, not the communicator's, what to do with a message that turns out too long.
  MPI_Errhandler before = MPI_ERRHANDLER_NULL;
  MPI_Comm_get_errhandler(MPI_COMM_WORLD, &before);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  std::vector<float> data(world_rank() == 0 ? 10 : 12);
  tree<mpi::messages> all{MPI_COMM_WORLD, {.timeout = 500ms}};
  const auto sum = [&] {
    all.start(0, std::span{data});
    all.wait(0);
  };
  CHECK_THROWS_AS(sum(), communication_error);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, before);
  MPI_Errhandler_free(&before);
}

TEST_CASE("a progress thread asks for the thread level it needs") {
  if (world_size() == 1) return;
  int level = MPI_THREAD_SINGLE;
  MPI_Query_thread(&level);
  const auto make = [] { tree<mpi::messages>{MPI_COMM_WORLD, {.progress_thread = true}}; };
  if (level < MPI_THREAD_MULTIPLE)
    CHECK_THROWS_AS(make(), usage_error);
  else
    make();
}

TEST_CASE("a second session is refused") {
  int argc = 0;
  char** argv = nullptr;
  CHECK_THROWS_AS((mpi::session{argc, argv}), usage_error);
}

int main(int argc, char** argv) {
  mpi::session session{argc, argv};
  doctest::Context context{argc, argv};
  return context.run();
}
