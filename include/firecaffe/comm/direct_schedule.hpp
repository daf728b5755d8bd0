#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>

#include "sharded_steps.hpp"

namespace firecaffe {

// Everybody talks to everybody: rank r owns slice r (slice_of), gets that slice from all others, adds it up, and sends
// the sum to all. The fewest steps from start to end among those that send the least, at p - 1 peers per rank: for
// ranks that share memory, or few ranks on a switch. Any number of ranks.
//
// With p ranks and b bytes every rank sends and receives about 2 (p - 1)/p b, the least an allreduce can do (exactly:
// elements_sent), in 2 (p - 1) messages if none is cut. One message at a time that makes 2 (p - 1) rounds; a network
// that carries all at once needs 2. Segments are summed and handed out while later ones arrive: what was just added is
// then still in the cache.
//
// Order of summation: slice s is ((x(s) + x(s+1)) + x(s+2)) + ... + x(s-1), modulo p, whatever comes first. So the
// order depends on the element's slice, thereby on the number of ranks and elements, and on nothing else. Every rank
// ends with the same bits.
struct direct_schedule : sharded_steps<std::numeric_limits<int>::max()> {
  static constexpr std::string_view name = "direct";

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    std::size_t count = 0;
    for (int r = 0; r < ranks; ++r) {
      const std::size_t length = slice_of(r, ranks, elements).size();
      count = std::max(count, length / segment + (length % segment != 0));
    }
    for (std::size_t k = 0; k < count + ahead; ++k)
      for (int d = 1; d < ranks; ++d) {
        const int before = (rank + ranks - d) % ranks, after = (rank + d) % ranks;
        const auto piece = [&](step_kind kind, int peer, int owner, std::size_t i) {
          const slice whole = slice_of(owner, ranks, elements);
          if (i >= count || i * segment >= whole.size()) return;
          const std::size_t first = whole.first + i * segment;
          emit(step{kind, peer, first, first + std::min(segment, whole.last - first)});
        };
        piece(step_kind::send, before, before, k);
        piece(step_kind::receive_add, after, rank, k);
        if (k < ahead) continue;
        piece(step_kind::send, after, rank, k - ahead);
        piece(step_kind::receive, before, before, k - ahead);
      }
  }

 private:
  static constexpr std::size_t ahead = 4;  // segments that are on their way to be added while one is handed out
};

}  // namespace firecaffe
