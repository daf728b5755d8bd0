#pragma once

#include <cstdint>

#include "host_device.hpp"

namespace firecaffe {

// What a random number is for. Streams of different uses never overlap.
enum class random_use : std::uint32_t { filler, shuffle, dropout, transform, test };

// Names one random stream. Equal keys give equal numbers on every device, rank and thread; a rank never enters.
struct random_key {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;    // iteration or epoch
  std::uint32_t sample = 0;  // position in the global batch, or in the data set
  random_use use = random_use::filler;
  std::uint32_t part = 0;  // which op or parameter of that use
};

struct random_block {
  std::uint32_t word[4];
};

// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
FIRECAFFE_HD constexpr random_block philox(random_block counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// The four words with index `block` of the stream `key`.
FIRECAFFE_HD constexpr random_block random_words(const random_key& key, std::uint32_t block) {
  const auto use = static_cast<std::uint32_t>(key.use) << 24 | (key.part & 0xFFFFFFu);
  return philox({{block, key.sample, key.step, use}}, static_cast<std::uint32_t>(key.seed),
                static_cast<std::uint32_t>(key.seed >> 32));
}

// The word with index `i` of the stream `key`.
FIRECAFFE_HD constexpr std::uint32_t random_word(const random_key& key, std::uint64_t i) {
  return random_words(key, static_cast<std::uint32_t>(i / 4)).word[i % 4];
}

// Uniform in (0, 1): never 0, never 1, so that a logarithm of it is finite.
FIRECAFFE_HD constexpr double to_unit(std::uint32_t word) { return (word + 0.5) / 4294967296.0; }

FIRECAFFE_HD constexpr double random_unit(const random_key& key, std::uint64_t i) {
  return to_unit(random_word(key, i));
}

}  // namespace firecaffe
