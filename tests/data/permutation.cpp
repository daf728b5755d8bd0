#include "firecaffe/data/permutation.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

namespace fc = firecaffe;
using fc::data::permutation;

constexpr bool is_bijection(std::uint64_t n, std::uint64_t seed, std::uint32_t epoch) {
  std::vector<bool> seen(n);
  const permutation p(n, seed, epoch);
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t x = p(i);
    if (x >= n || seen[x]) return false;
    seen[x] = true;
  }
  return true;
}

// The compiler can shuffle.
static_assert(permutation(5, 1, 0)(0) < 5 && permutation(5, 1, 0)(0) != permutation(5, 1, 0)(1));

TEST_CASE("every element of [0, n) comes once, for many n") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (std::uint64_t n = 0; n <= 130; ++n)
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) CHECK(is_bijection(n, random(), epoch));
  for (int bits = 8; bits <= 16; ++bits)
    for (const int off : {-1, 0, 1}) {
      const auto n = static_cast<std::uint64_t>((1 << bits) + off);
      CAPTURE(n);
      CHECK(is_bijection(n, random(), static_cast<std::uint32_t>(random())));
    }
  CHECK(is_bijection(60000, random(), 1));
}

TEST_CASE("large n stay in range, and different positions differ") {
  for (const std::uint64_t n : {std::uint64_t{1} << 32, (std::uint64_t{1} << 40) + 1, ~std::uint64_t{0}}) {
    const permutation p(n, 7, 0);
    for (std::uint64_t i = 0; i < 50; ++i) {
      CHECK(p(i) < n);
      CHECK(p(i) != p(n - 1 - i));
    }
  }
}

TEST_CASE("positions outside are refused") {
  CHECK_THROWS_AS(permutation(0, 1, 1)(0), fc::usage_error);
  CHECK_THROWS_AS(permutation(7, 1, 1)(7), fc::usage_error);
}

TEST_CASE("seeds and epochs give different orders, the same ones the same") {
  const permutation p(1000, 3, 4), same(1000, 3, 4), epoch(1000, 3, 5), seed(1000, 4, 4);
  int as_epoch = 0, as_seed = 0, fixed = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    CHECK(p(i) == same(i));
    as_epoch += p(i) == epoch(i);
    as_seed += p(i) == seed(i);
    fixed += p(i) == i;
  }
  // Each is Poisson of mean 1.
  CHECK(as_epoch < 9);
  CHECK(as_seed < 9);
  CHECK(fixed < 9);
}

// Chi-square of n cells, as standard deviations from its mean.
double excess(const std::vector<int>& counts, double expected, double degrees) {
  double chi = 0;
  for (const int c : counts) chi += (c - expected) * (c - expected) / expected;
  return (chi - degrees) / std::sqrt(2 * degrees);
}

TEST_CASE("over many keys every element is equally likely at every position, and pairs are") {
  for (const std::uint64_t n : {2u, 3u, 4u, 5u, 7u, 10u, 16u, 31u}) {
    CAPTURE(n);
    const int keys = 20000;
    std::vector<int> places(n * n), pairs(n * n);
    for (int k = 0; k < keys; ++k) {
      const permutation p(n, 11 + static_cast<std::uint64_t>(k % 200), static_cast<std::uint32_t>(k / 200));
      for (std::uint64_t i = 0; i < n; ++i) ++places[i * n + p(i)];
      ++pairs[p(0) * n + p(1)];  // 0 on the diagonal
    }
    const auto size = static_cast<double>(n);
    CHECK(excess(places, keys / size, (size - 1) * (size - 1)) < 5);
    for (std::uint64_t i = 0; i < n; ++i) {
      CHECK(pairs[i * n + i] == 0);
      pairs[i * n + i] = static_cast<int>(keys / size / (size - 1) + 0.5);
    }
    CHECK(excess(pairs, keys / size / (size - 1), size * (size - 1) - 1) < 5);
  }
}

TEST_CASE("neighbours do not stay neighbours") {
  const std::uint64_t n = 60000;
  const permutation p(n, 5, 0);
  double sum = 0;
  for (std::uint64_t i = 0; i + 1 < n; ++i)
    sum += std::abs(static_cast<double>(p(i)) - static_cast<double>(p(i + 1))) / static_cast<double>(n);
  CHECK(sum / static_cast<double>(n - 1) == doctest::Approx(1.0 / 3).epsilon(0.01));  // of independent uniform places
}
