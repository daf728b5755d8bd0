// Training allocates nothing once it runs: operator new counts.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "firecaffe/cpu.hpp"
#include "firecaffe/solvers/lamb.hpp"
#include "firecaffe/zoo/lenet.hpp"

namespace {
std::atomic<long> allocations{0};
}

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

using namespace firecaffe;

// LeNet runs on kernels of our own and the BLAS; oneDNN, MPI and the local transport's mailboxes allocate for
// themselves.
template <class Solver>
void check_steps_allocate_nothing(float clip) {
  const std::vector<float> x(8 * 784, 0.5f);
  const std::vector<std::int32_t> labels(8, 1);
  trainer<zoo::lenet, Solver, alone, cpu> t{alone{}, {.batch = 8, .clip = clip, .threads = 2}};
  const batch_view batch{x.data(), labels.data(), nullptr, 8, 0};
  t.step(batch, 8);
  const long before = allocations;
  for (int i = 0; i < 5; ++i) t.step(batch, 8);
  CHECK(allocations == before);
}

TEST_CASE("a step allocates nothing") {
  check_steps_allocate_nothing<sgd>(0);
  check_steps_allocate_nothing<lamb>(1);
}
