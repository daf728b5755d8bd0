#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/hash.hpp"

namespace firecaffe {

// Makes sure that all ranks are about to do the same: what communicators do in `agree`. `hash` is of whatever must
// agree and `description` tells a reader what was hashed; `settings` is the communicator's own part, which is hashed
// here. When a rank differs from rank 0, every rank throws communication_error with both ranks and both texts.
//
// `sum` takes a std::span<double> and sums it over the ranks, in place. It is called twice, and once more before an
// error is thrown; nothing else is communicated.
template <class Sum>
void agree_on(int rank, int ranks, std::uint64_t hash, std::string_view description, std::string_view settings,
              Sum&& sum) {
  constexpr std::size_t description_limit = 800, text_space = 1000;
  if (ranks == 1) return;
  const std::string own = std::string("; ").append(settings);
  const std::string mine = std::string(description.substr(0, description_limit)) + own;
  hash = hash_of(own, hash);

  double first[4] = {};  // rank 0's, in pieces that a double holds exactly
  for (int i = 0; i < 4; ++i) first[i] = rank == 0 ? static_cast<double>(hash >> (16 * i) & 0xffff) : 0.0;
  sum(std::span<double>(first));
  std::uint64_t expected = 0;
  for (int i = 0; i < 4; ++i) expected |= static_cast<std::uint64_t>(first[i]) << (16 * i);

  std::vector<double> differs(static_cast<std::size_t>(ranks));
  differs[static_cast<std::size_t>(rank)] = hash != expected;
  sum(std::span<double>(differs));
  int other = 0;
  while (other < ranks && differs[static_cast<std::size_t>(other)] == 0) ++other;
  if (other == ranks) return;

  std::vector<double> texts(2 * text_space);  // rank 0's, then that of the first rank that differs
  if (rank == 0 || rank == other)
    for (std::size_t i = 0; i < std::min(mine.size(), text_space); ++i)
      texts[(rank == 0 ? 0 : text_space) + i] = static_cast<unsigned char>(mine[i]);
  sum(std::span<double>(texts));
  std::string text[2];
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (texts[i] != 0) text[i / text_space] += static_cast<char>(static_cast<unsigned char>(texts[i]));
  throw communication_error(
      rank, rank == other ? 0 : other,
      "ranks do not agree: rank 0 has " + text[0] + "; rank " + std::to_string(other) + " has " + text[1]);
}

}  // namespace firecaffe
