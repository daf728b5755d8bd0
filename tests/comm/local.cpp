#include "firecaffe/comm/local.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace firecaffe;

static_assert(transport<local::transport>);

namespace {
void finish(local::transport& wire, local::transport::request r) {
  while (!wire.test(r)) wire.idle();
}
}  // namespace

TEST_CASE("messages match by sender, receiver and tag, in order") {
  local::world world{3};
  local::transport zero = world.transport(0), one = world.transport(1), two = world.transport(2);
  std::array<int, 4> got{-1, -1, -1, -1};
  const std::array<int, 4> sent{10, 11, 12, 13};
  auto r3 = zero.irecv(2, 5, &got[3], sizeof(int));
  auto s0 = one.isend(0, 5, &sent[0], sizeof(int));
  auto s1 = one.isend(0, 6, &sent[1], sizeof(int));
  auto s2 = one.isend(0, 5, &sent[2], sizeof(int));
  auto r1 = zero.irecv(1, 6, &got[1], sizeof(int));
  auto r0 = zero.irecv(1, 5, &got[0], sizeof(int));
  auto r2 = zero.irecv(1, 5, &got[2], sizeof(int));
  CHECK_FALSE(zero.test(r3));
  auto s3 = two.isend(0, 5, &sent[3], sizeof(int));
  for (auto* r : {&r0, &r1, &r2, &r3}) CHECK(zero.test(*r));
  for (auto* s : {&s0, &s1, &s2}) CHECK(one.test(*s));
  CHECK(two.test(s3));
  CHECK(got == sent);
}

TEST_CASE("a cancelled receive is never written, and later messages still match") {
  local::world world{2};
  local::transport zero = world.transport(0), one = world.transport(1);
  int poisoned = -7, got = -7;
  const int sent = 5;
  auto a = zero.irecv(1, 0, &got, sizeof(int));
  auto b = zero.irecv(1, 0, &poisoned, sizeof(int));
  CHECK(zero.cancel(b));
  auto c = zero.irecv(1, 1, &got, sizeof(int));
  CHECK(zero.cancel(a));
  CHECK(zero.cancel(c));
  auto s = one.isend(0, 0, &sent, sizeof(int));
  CHECK_FALSE(one.test(s));
  auto d = zero.irecv(1, 0, &got, sizeof(int));
  CHECK(zero.test(d));
  CHECK(one.test(s));
  CHECK(got == 5);
  CHECK(poisoned == -7);
  auto done = zero.isend(1, 0, &sent, sizeof(int));
  int other = 0;
  finish(one, one.irecv(0, 0, &other, sizeof(int)));
  CHECK(zero.cancel(done));  // it had arrived
  CHECK(other == 5);
}

TEST_CASE("lengths that differ are an error on both sides") {
  local::world world{2};
  local::transport zero = world.transport(0), one = world.transport(1);
  std::array<char, 8> a{}, b{};
  auto r = zero.irecv(1, 0, a.data(), 8);
  auto s = one.isend(0, 0, b.data(), 4);
  CHECK_THROWS_AS(zero.test(r), communication_error);
  CHECK_THROWS_WITH_AS(one.test(s), "rank 1: lengths differ: 4 bytes here, another number at rank 0",
                       communication_error);
}

TEST_CASE("run: many threads, large and small messages") {
  local::run(8, [](local::transport wire) {
    if (wire.size() != 8 || wire.node_size() != 8 || wire.node_rank() != wire.rank()) throw usage_error("size");
    const int next = (wire.rank() + 1) % 8, before = (wire.rank() + 7) % 8;
    for (std::size_t n = 0; n < 300; ++n) {
      std::vector<std::size_t> out(n * n, n + static_cast<std::size_t>(wire.rank())), in(n * n, 12345678);
      auto s = wire.isend(next, 1, out.data(), out.size() * sizeof(std::size_t));
      finish(wire, wire.irecv(before, 1, in.data(), in.size() * sizeof(std::size_t)));
      finish(wire, s);
      for (const std::size_t x : in)
        if (x != n + static_cast<std::size_t>(before)) throw usage_error("wrong content");
    }
  });
}

TEST_CASE("run: the first exception comes back, the others do not wait for ever") {
  std::atomic<int> told = 0;
  const auto body = [&](local::transport wire) {
    if (wire.rank() == 3) throw std::out_of_range("broken on purpose");
    int x = 0;
    try {
      finish(wire, wire.irecv((wire.rank() + 1) % 3, 0, &x, sizeof x));
    } catch (const communication_error& e) {
      if (e.peer == 3 && std::string(e.what()).find("rank 3 failed while") != std::string::npos) ++told;
      throw;
    }
  };
  CHECK_THROWS_WITH_AS(local::run(4, body), "broken on purpose", std::out_of_range);
  CHECK(told == 3);
}

TEST_CASE("ranks that do not exist are refused") {
  local::world world{2};
  CHECK_THROWS_AS(world.transport(2), usage_error);
  CHECK_THROWS_AS(world.transport(-1), usage_error);
  CHECK_THROWS_AS(local::world{0}, usage_error);
  local::transport wire = world.transport(0);
  CHECK_THROWS_AS(wire.isend(2, 0, nullptr, 0), usage_error);
}
