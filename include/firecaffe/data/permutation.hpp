#pragma once

#include <bit>
#include <cstdint>

#include "../core/error.hpp"
#include "../core/random.hpp"

namespace firecaffe::data {

// A shuffle of [0, n) that needs no list: element i is computed from (seed, epoch) alone, so that every rank can ask
// for any part of any epoch. A Feistel network over the smallest power of two that holds n, with Philox as its round
// function, is a bijection whatever that function is; walking on from values >= n until one falls inside keeps it one
// on [0, n) (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Fewer than two walks on average.
class permutation {
 public:
  constexpr permutation(std::uint64_t n, std::uint64_t seed, std::uint32_t epoch)
      : n_(n),
        seed_(seed),
        epoch_(epoch),
        low_(n > 1 ? static_cast<int>(std::bit_width(n - 1) + 1) / 2 : 0),
        high_(n > 1 ? static_cast<int>(std::bit_width(n - 1)) / 2 : 0) {}

  constexpr std::uint64_t size() const { return n_; }

  // The element at position `i`. Throws usage_error where i >= n.
  constexpr std::uint64_t operator()(std::uint64_t i) const {
    if (i >= n_) throw usage_error("data::permutation: position beyond the end");
    do i = network(i);
    while (i >= n_);
    return i;
  }

 private:
  // Even, so that halves that differ by a bit are back in place. Few bits mix slowly: with 8 rounds a chi-square test
  // over 60000 keys rejects n = 5 and 7, with 12 none.
  constexpr std::uint32_t rounds() const { return low_ < 6 ? 16 : 8; }

  constexpr std::uint64_t network(std::uint64_t x) const {
    int right_bits = low_, left_bits = high_;
    std::uint64_t left = x >> low_, right = x & mask(low_);
    for (std::uint32_t round = 0; round < rounds(); ++round) {
      const random_key key{.seed = seed_, .step = epoch_, .sample = round, .use = random_use::shuffle};
      const std::uint64_t mixed =
          left ^ (random_words(key, static_cast<std::uint32_t>(right)).word[0] & mask(left_bits));
      left = right;
      right = mixed;
      const int bits = left_bits;
      left_bits = right_bits;
      right_bits = bits;
    }
    return left << low_ | right;
  }

  static constexpr std::uint64_t mask(int bits) { return (std::uint64_t{1} << bits) - 1; }

  std::uint64_t n_, seed_;
  std::uint32_t epoch_;
  int low_, high_;  // bits of the two halves, at most 32 each
};

}  // namespace firecaffe::data
