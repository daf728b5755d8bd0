// ranks: 1 2 3 4
#define DOCTEST_CONFIG_IMPLEMENT
#include "firecaffe/comm/mpi_transport.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "firecaffe/comm/communicator.hpp"
#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/mpi_session.hpp"
#include "firecaffe/comm/ring_schedule.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

static_assert(viewing_transport<mpi::transport>);
static_assert(gradient_communicator<communicator<tree_schedule, mpi::transport>>);

namespace {

unsigned common_seed() {
  unsigned seed = std::random_device{}() % 1000000;
  MPI_Bcast(&seed, 1, MPI_UNSIGNED, 0, MPI_COMM_WORLD);
  return seed;
}

void fill(std::span<float> out, int rank, unsigned seed) {
  std::mt19937 random{seed + static_cast<unsigned>(rank)};
  for (float& x : out) x = std::uniform_real_distribution<float>{-1, 1}(random);
}

template <class Communicator>
void check_sum(Communicator& all, std::span<float> data, int bucket, unsigned seed) {
  CAPTURE(seed);
  fill(data, all.rank(), seed);
  std::vector<double> expected(data.size());
  std::vector<float> part(data.size());
  for (int r = 0; r < all.size(); ++r) {
    fill(part, r, seed);
    for (std::size_t i = 0; i < part.size(); ++i) expected[i] += static_cast<double>(part[i]);
  }
  all.start(bucket, data);
  all.wait(bucket);
  bool close = true;
  for (std::size_t i = 0; i < data.size(); ++i)
    close &= std::abs(static_cast<double>(data[i]) - expected[i]) <=
             all.size() * all.size() * static_cast<double>(std::numeric_limits<float>::epsilon());
  REQUIRE(close);
  part.assign(data.begin(), data.end());
  MPI_Bcast(part.data(), static_cast<int>(part.size()), MPI_FLOAT, 0, MPI_COMM_WORLD);
  REQUIRE((part.empty() || std::memcmp(part.data(), data.data(), part.size() * sizeof(float)) == 0));
}

template <class Algorithm>
void check_sums(std::size_t segment_bytes, mpi::transport_options options) {
  struct endpoint : mpi::transport {
    explicit endpoint(const mpi::transport_options& o) : mpi::transport(MPI_COMM_WORLD, o) {}
  };
  communicator<Algorithm, endpoint> all{options, {.segment_bytes = segment_bytes, .timeout = 30s}};
  constexpr std::size_t most = 50000;
  float* const shared = all.template allocate<float>(most);
  REQUIRE(reinterpret_cast<std::uintptr_t>(shared) % 64 == 0);
  std::vector<float> own(most);
  std::mt19937 same{common_seed()};
  for (int repeat = 0; repeat < 12; ++repeat) {
    const std::size_t n = repeat < 3 ? static_cast<std::size_t>(repeat) : same() % most;
    CAPTURE(n);
    const unsigned seed = static_cast<unsigned>(same());
    check_sum(all, std::span{shared, n}, repeat % 3, seed);
    check_sum(all, std::span{shared + most - n, n}, 3, seed);
    check_sum(all, std::span{own}.first(n), 4, seed);
  }
}

}  // namespace

TEST_CASE("sums in shared windows and outside of them, of any size") {
  check_sums<tree_schedule>(4096, {});
  check_sums<ring_schedule>(1000, {});
  check_sums<tree_schedule>(8192, {.buckets = 7, .staging_bytes = 8192, .eager_bytes = 0});  // hardly any staging
  check_sums<tree_schedule>(64, {.staging_bytes = 1000, .eager_bytes = 1 << 20});
}

TEST_CASE("messages of random lengths in any order of tags, now and then slow") {
  const unsigned seed = common_seed();
  CAPTURE(seed);
  mpi::transport wire{MPI_COMM_WORLD, {.buckets = 3, .staging_bytes = 1 << 14, .eager_bytes = 300}};
  const int next = (wire.rank() + 1) % wire.size(), before = (wire.rank() + wire.size() - 1) % wire.size();
  if (wire.size() == 1) return;
  constexpr std::size_t room = 4096;
  constexpr int tags = 3, messages = 400;
  std::byte* const shared = wire.allocate(tags * wire.view_window * room);
  std::vector<std::byte> own(tags * wire.view_window * room), in(room);
  std::mt19937 mine{seed + static_cast<unsigned>(wire.rank())};
  const auto length = [&](int tag, std::size_t k) { return (k * 977 + static_cast<std::size_t>(tag) * 131) % room; };
  const auto content = [](int from, int tag, std::size_t k, std::size_t i) {
    return static_cast<std::byte>(static_cast<std::size_t>(from) * 50 + static_cast<std::size_t>(tag) * 17 + k * 3 + i);
  };
  std::size_t sent[tags] = {}, done[tags] = {}, received[tags] = {};
  std::vector<mpi::transport::request> sends(tags * wire.view_window);
  mpi::transport::request receive[tags];
  bool asked[tags] = {};
  for (int left = 2 * tags * messages; left > 0;) {
    const int tag = static_cast<int>(mine() % tags);
    const auto t = static_cast<std::size_t>(tag);
    if (sent[t] < messages && sent[t] - done[t] < wire.view_window) {
      const std::size_t slot = t * wire.view_window + sent[t] % wire.view_window, n = length(tag, sent[t]);
      std::byte* const from = (mine() % 2 ? shared : own.data()) + slot * room;
      for (std::size_t i = 0; i < n; ++i) from[i] = content(wire.rank(), tag, sent[t], i);
      sends[slot] = wire.isend(next, tag, from, n);
      ++sent[t];
    }
    if (done[t] < sent[t] && wire.test(sends[t * wire.view_window + done[t] % wire.view_window])) ++done[t], --left;
    if (received[t] == messages) continue;
    const std::size_t n = length(tag, received[t]);
    const bool views = received[t] % 2 == 0;
    if (!asked[t]) receive[t] = wire.irecv(before, tag, views ? nullptr : in.data(), n), asked[t] = true;
    if (mine() % 8 == 0 || !wire.test(receive[t])) continue;
    const std::byte* const message = views ? wire.view(receive[t]) : in.data();
    bool right = true;
    for (std::size_t i = 0; i < n; ++i) right &= message[i] == content(before, tag, received[t], i);
    REQUIRE(right);
    if (views) wire.release(receive[t]);
    asked[t] = false;
    ++received[t], --left;
  }
}

TEST_CASE("what does not fit is refused, lengths that differ are told") {
  mpi::transport wire{MPI_COMM_WORLD, {.staging_bytes = 1024}};
  if (wire.size() == 1) return;
  const int peer = (wire.rank() + 1) % wire.size();
  std::vector<std::byte> own(2000);
  CHECK_THROWS_AS(wire.isend(peer, 1, own.data(), own.size()), usage_error);
  auto sent = wire.isend(peer, 2, own.data(), 10);
  auto asked = wire.irecv((wire.rank() + wire.size() - 1) % wire.size(), 2, own.data(), 11);
  const auto test = [&] {
    while (!wire.test(asked)) wire.idle();
  };
  CHECK_THROWS_AS(test(), communication_error);
  MPI_Barrier(MPI_COMM_WORLD);
  CHECK(wire.cancel(sent));
}

int main(int argc, char** argv) {
  mpi::session session{argc, argv};
  doctest::Context context{argc, argv};
  return context.run();
}
