#pragma once

#include <bit>
#include <cstddef>
#include <string_view>

#include "phases.hpp"
#include "slices.hpp"

namespace firecaffe {

// Rabenseifner's algorithm: a reduce-scatter whose messages halve from round to round, then an allgather in which they
// double. The buffer is cut into one slice per rank (slice_of); after the first phase rank r owns slice r. Any number
// of ranks p. With the skips s(k) = ceil(p / 2^k), in round k of the first phase
//   if p is a power of two, ranks s(k+1) apart swap halves of what they still hold;
//   otherwise rank r sends the slices of the ranks r + s(k+1) ... r + s(k) - 1 (modulo p) to rank r + s(k+1), which
//   needs no power of two (Traeff, arXiv 2410.14234); where they go past the last slice, in two messages.
// The second phase goes the same way back. Within a round the segments that the next round needs go first.
//
// Every rank sends and receives p - 1 slices in each phase, for b bytes about 2 (p - 1)/p b, the least an allreduce can
// do (exactly: elements_sent), in 2 ceil(log2 p) rounds; for no power of two, up to twice as many if the two messages
// of a round count as two. The farther a message goes, by rank, the longer it is.
//
// Order of summation: for a power of two, the pairwise tree over ranks p/2 apart, then p/4, ..., 1, for all elements
// alike. Otherwise the order for slice s is that for slice 0 with s added to every rank, so it depends on the element's
// slice, thereby on the number of ranks and elements. It depends on nothing else: not on the segments, nor on the
// arrival of messages. Every rank ends with the same bits.
struct halving_doubling_schedule {
  static constexpr std::string_view name = "halving_doubling";
  static constexpr bool one_owner = false;

  static constexpr slice owned(int rank, int ranks, std::size_t elements) { return slice_of(rank, ranks, elements); }

  template <class Emit>
  static constexpr void reduce(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for (int k = 0; k < phase_rounds(ranks); ++k) {
      const exchange e = round(k, rank, ranks);
      const buffer_cut cut{ranks, elements, segment};
      emit_kept(step_kind::send, e.to, e.to, e.count, true, cut, emit);
      emit_kept(step_kind::receive_add, e.from, rank, e.count, true, cut, emit);
    }
  }

  template <class Emit>
  static constexpr void spread(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    for (int k = phase_rounds(ranks) - 1; k >= 0; --k) {
      const exchange e = round(k, rank, ranks);
      const buffer_cut cut{ranks, elements, segment};
      emit_kept(step_kind::send, e.from, rank, e.count, false, cut, emit);
      emit_kept(step_kind::receive, e.to, e.to, e.count, false, cut, emit);
    }
  }

  template <class Emit>
  static constexpr void steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
    reduce(rank, ranks, elements, segment, emit);
    spread(rank, ranks, elements, segment, emit);
  }

  static constexpr std::size_t elements_sent(int rank, int ranks, std::size_t elements) {
    std::size_t sent = 0;
    for (int k = 0; k < phase_rounds(ranks); ++k) {
      const exchange e = round(k, rank, ranks);
      for (const int keeper : {rank, e.to}) {
        const run kept = kept_by(keeper, e.count, ranks, elements);
        sent += kept.begin.size() + kept.rest.size();
      }
    }
    return sent;
  }

  // If no message is cut but for the two parts; for a power of two it is this number.
  static constexpr std::size_t rounds_at_most(int ranks) {
    const auto half = static_cast<std::size_t>(phase_rounds(ranks));
    return std::has_single_bit(static_cast<unsigned>(ranks)) ? 2 * half : 4 * half - 2;
  }

 private:
  struct exchange {  // of the first phase: what the rank it goes to keeps, for what this rank keeps
    int to, from, count;
  };
  struct run {
    slice begin, rest;  // the rest is what goes on at the buffer's start
  };
  struct buffer_cut {
    int ranks;
    std::size_t elements, segment;
  };

  static constexpr bool in_pairs(int ranks) { return std::has_single_bit(static_cast<unsigned>(ranks)); }
  static constexpr int phase_rounds(int ranks) {
    return static_cast<int>(std::bit_width(static_cast<unsigned>(ranks - 1)));
  }

  static constexpr exchange round(int k, int rank, int ranks) {
    const int far = ((ranks - 1) >> k) + 1, near = ((ranks - 1) >> (k + 1)) + 1;  // s(k), s(k+1)
    if (in_pairs(ranks)) return {rank ^ near, rank ^ near, near};
    return {(rank + near) % ranks, (rank + ranks - near) % ranks, far - near};
  }

  // The `count` slices that a rank has left after a round: its aligned block in pairs, else its own and those after it.
  static constexpr run kept_by(int rank, int count, int ranks, std::size_t elements) {
    const auto start = [&](int i) { return i < ranks ? slice_of(i, ranks, elements).first : elements; };
    const int first = in_pairs(ranks) ? rank & -count : rank;
    if (first + count <= ranks) return {{start(first), start(first + count)}, {}};
    return {{start(first), elements}, {0, start(first + count - ranks)}};
  }

  // Segments in an order in which all rounds can have them: what `keeper` gives away next before what it keeps, or, on
  // the way back, what it has had for longest first.
  template <class Emit>
  static constexpr void emit_kept(step_kind kind, int peer, int keeper, int count, bool own_last, const buffer_cut& cut,
                                  Emit& emit) {
    const run kept = kept_by(keeper, count, cut.ranks, cut.elements);
    if (!in_pairs(cut.ranks) && own_last) {
      emit_segments_backwards(kind, peer, kept.rest, cut.segment, emit);
      emit_segments_backwards(kind, peer, kept.begin, cut.segment, emit);
    } else if (!in_pairs(cut.ranks) || count == 1 || kept.begin.size() <= cut.segment) {
      emit_segments(kind, peer, kept.begin, cut.segment, emit);
      emit_segments(kind, peer, kept.rest, cut.segment, emit);
    } else {
      const int half = count / 2;
      emit_kept(kind, peer, own_last ? keeper ^ half : keeper, half, own_last, cut, emit);
      emit_kept(kind, peer, own_last ? keeper : keeper ^ half, half, own_last, cut, emit);
    }
  }
};

}  // namespace firecaffe
