#include "firecaffe/comm/phases.hpp"

#include "firecaffe/comm/algorithms.hpp"
#include "schedule_checks.hpp"

using namespace firecaffe;

static_assert(two_phase_schedule<ring_schedule> && two_phase_schedule<tree_schedule>);
static_assert(!two_phase_schedule<recursive_doubling_schedule>);
static_assert(flat_schedule<reduce_scatter_schedule<ring_schedule>>);
static_assert(reduce_scatter_schedule<ring_schedule>::name == "reduce_scatter<ring>");
static_assert(allgather_schedule<direct_schedule>::name == "allgather<direct>");
static_assert(!is_allreduce<reduce_scatter_schedule<ring_schedule>>(3, 192));
static_assert(!is_allgather<reduce_scatter_schedule<ring_schedule>>(3, 192));
static_assert(!is_reduce_scatter<allgather_schedule<ring_schedule>>(3, 192));

namespace {

// The other rank's slices.
struct misplaced : ring_schedule {
  static constexpr slice owned(int rank, int ranks, std::size_t elements) {
    return slice_of((rank + 1) % ranks, ranks, elements);
  }
};
// Two owners for everything, none.
struct claimed_twice : ring_schedule {
  static constexpr slice owned(int, int, std::size_t elements) { return {0, elements}; }
};
struct unclaimed : ring_schedule {
  static constexpr slice owned(int, int, std::size_t) { return {}; }
};
struct beyond : ring_schedule {
  static constexpr slice owned(int rank, int ranks, std::size_t elements) {
    return slice_of(rank, ranks, elements + 1);
  }
};

// A reduce-scatter that is right, and one thing wrong with it.
struct forgets_one {
  static constexpr std::string_view name = "forgets one";
  static constexpr slice owned(int rank, int ranks, std::size_t elements) { return slice_of(rank, ranks, elements); }
  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    ring_schedule::reduce(rank, ranks, elements, segment, [&](step s) {
      if (s.kind == step_kind::receive_add && s.first == 0) s.kind = step_kind::receive;
      emit(s);
    });
  }
};

template <class Algorithm>
void scatter_and_gather(unsigned seed) {
  std::mt19937 random{seed};
  CAPTURE(seed);
  for (const int ranks : {2, 3, 6, 8}) {
    const std::size_t n = random() % 2000, segment = 1 + random() % 300;
    CAPTURE(ranks);
    CAPTURE(n);
    std::vector<std::vector<double>> data;
    for (int r = 0; r < ranks; ++r) data.push_back(test::random_values<double>(r, n, seed));
    const auto scattered = test::run_on_threads<reduce_scatter_schedule<Algorithm>>(data, ranks, segment);
    auto owned = scattered;
    for (int r = 0; r < ranks; ++r) {  // what a rank does not own must not matter
      const slice own = Algorithm::owned(r, ranks, n);
      for (std::size_t i = 0; i < n; ++i)
        if (i < own.first || i >= own.last) owned[static_cast<std::size_t>(r)][i] = std::nan("");
    }
    const auto gathered = test::run_on_threads<allgather_schedule<Algorithm>>(owned, ranks, segment);
    const auto at_once = test::run_on_threads<Algorithm>(data, ranks, segment);
    REQUIRE(gathered == at_once);
  }
}

}  // namespace

TEST_CASE("proofs of the phases can fail") {
  CHECK(prove_as<reduce_scatter_schedule<misplaced>>(purpose::reduce_scatter, 3, 192).result ==
        verdict::missing_contribution);
  CHECK(prove_as<allgather_schedule<misplaced>>(purpose::allgather, 3, 192).result == verdict::missing_contribution);
  CHECK(prove_as<allgather_schedule<claimed_twice>>(purpose::allgather, 3, 192).result == verdict::bad_step);
  CHECK(prove_as<allgather_schedule<unclaimed>>(purpose::allgather, 3, 192).result == verdict::bad_step);
  CHECK(prove_as<allgather_schedule<beyond>>(purpose::allgather, 3, 192).result == verdict::bad_step);
  CHECK(prove_as<forgets_one>(purpose::reduce_scatter, 3, 192).result == verdict::missing_contribution);
  CHECK(prove_as<reduce_scatter_schedule<ring_schedule>>(purpose::reduce_scatter, 3, 192));
}

TEST_CASE("one phase after the other is the allreduce") {
  const unsigned seed = std::random_device{}() % 1000000;
  scatter_and_gather<ring_schedule>(seed);
  scatter_and_gather<halving_doubling_schedule>(seed);
  scatter_and_gather<direct_schedule>(seed);
  scatter_and_gather<double_tree_schedule>(seed);
  scatter_and_gather<tree_schedule>(seed);
}
