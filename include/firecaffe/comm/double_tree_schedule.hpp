#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string_view>

#include "slices.hpp"

namespace firecaffe {

// Two binary trees at once, each reducing and then broadcasting one half of the buffer (slice_of), built so that a rank
// with children in one tree has at most one in the other (Sanders, Speck, Traeff: Two-tree algorithms for full
// bandwidth broadcast, reduction and scan, Parallel Computing 35, 2009). Segment after segment, the two trees in turn:
// nearly the bytes of a ring at the depth of a tree. Any number of ranks.
//
// The first tree is numbered in order: rank 0 is its root; rank r, whose lowest set bit is d, has the children r - d/2
// and r + d/2 (the nearest to it, by halves, that exists). The second is the same one over the ranks backwards (an even
// number of ranks), or moved on by one (an odd number).
//
// With b bytes, rank r sends and receives b/2 for each of its links in either tree, at most 2 b (exactly:
// elements_sent), in at most 4 s messages for s segments of each half. No rank is more than ceil(log2 p) links away
// from a root. One segment of each half takes at most 4 ceil(log2 p) rounds.
//
// Order of summation: (x(r) + left child) + right child in either tree. So it depends on the number of ranks and on the
// element's half, thereby on the number of elements, and on nothing else: not on the segments, nor on the arrival of
// messages. Every rank ends with the same bits.
struct double_tree_schedule {
  static constexpr std::string_view name = "double_tree";
  static constexpr bool one_owner = false;

  // The roots' halves.
  static constexpr slice owned(int rank, int ranks, std::size_t elements) {
    if (ranks == 1) return {0, elements};
    for (int t = 0; t < 2; ++t)
      if (place_of(t, rank, ranks) == 0) return slice_of(t, 2, elements);
    return {};
  }

  template <class Emit>
  static constexpr void reduce(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    in_turn(rank, ranks, elements, segment, [&](const family& near, slice s) {
      if (near.left >= 0) emit(step{step_kind::receive_add, near.left, s.first, s.last});
      if (near.right >= 0) emit(step{step_kind::receive_add, near.right, s.first, s.last});
      if (near.parent >= 0) emit(step{step_kind::send, near.parent, s.first, s.last});
    });
  }

  template <class Emit>
  static constexpr void spread(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    in_turn(rank, ranks, elements, segment, [&](const family& near, slice s) {
      if (near.parent >= 0) emit(step{step_kind::receive, near.parent, s.first, s.last});
      if (near.right >= 0) emit(step{step_kind::send, near.right, s.first, s.last});
      if (near.left >= 0) emit(step{step_kind::send, near.left, s.first, s.last});
    });
  }

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    reduce(rank, ranks, elements, segment, emit);
    spread(rank, ranks, elements, segment, emit);
  }

  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    std::size_t sent = 0;
    for (int t = 0; t < 2; ++t) {
      const family near = family_of(t, rank, ranks);
      const int links = (near.parent >= 0) + (near.left >= 0) + (near.right >= 0);
      sent += static_cast<std::size_t>(links) * slice_of(t, 2, elements).size();
    }
    return sent;
  }

  static constexpr std::size_t rounds_at_most(int ranks) {
    return 4 * static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(ranks - 1)));
  }

 private:
  struct family {
    int parent = -1, left = -1, right = -1;  // ranks; -1 for none
  };

  // A rank's place in the first tree's numbering, and back.
  static constexpr int place_of(int tree, int rank, int ranks) {
    return tree == 0 ? rank : ranks % 2 == 0 ? ranks - 1 - rank : (rank + ranks - 1) % ranks;
  }
  static constexpr int rank_at(int tree, int place, int ranks) {
    return tree == 0 ? place : ranks % 2 == 0 ? ranks - 1 - place : (place + 1) % ranks;
  }

  static constexpr family family_of(int tree, int rank, int ranks) {
    const int x = place_of(tree, rank, ranks);
    const int low_bit = x == 0 ? static_cast<int>(std::bit_ceil(static_cast<unsigned>(ranks))) : x & -x;
    family near;
    if (x != 0) {
      const bool is_right = (x & 2 * low_bit) != 0 || low_bit >= ranks - x;
      near.parent = rank_at(tree, is_right ? x - low_bit : x + low_bit, ranks);
      if (low_bit > 1) near.left = rank_at(tree, x - low_bit / 2, ranks);
    }
    int reach = low_bit / 2;
    while (reach >= ranks - x) reach /= 2;
    if (reach > 0) near.right = rank_at(tree, x + reach, ranks);
    return near;
  }

  template <class Visit>
  static constexpr void in_turn(int rank, int ranks, std::size_t elements, std::size_t segment, Visit visit) {
    const family near[2] = {family_of(0, rank, ranks), family_of(1, rank, ranks)};
    slice rest[2] = {slice_of(0, 2, elements), slice_of(1, 2, elements)};
    while (rest[0].size() + rest[1].size() > 0)
      for (int t = 0; t < 2; ++t) {
        const std::size_t length = std::min(segment, rest[t].size());
        if (length > 0) visit(near[t], slice{rest[t].first, rest[t].first + length});
        rest[t].first += length;
      }
  }
};

}  // namespace firecaffe
