#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "node_map.hpp"
#include "schedule.hpp"
#include "slices.hpp"

namespace firecaffe {

enum class verdict : std::uint8_t {
  proved,
  bad_step,              // a peer or range that does not exist
  unmatched,             // a message that only one side knows of
  length_mismatch,       // sender and receiver disagree on a message's length
  deadlock,              // steps that wait for each other
  missing_contribution,  // an element that lacks some rank's addend
  double_contribution    // an element that has some rank's addend twice
};

// What a schedule is meant for. `owned` holds the range of each rank, where that matters.
enum class purpose : std::uint8_t {
  allreduce,       // every rank ends with the sum of all ranks
  reduce_scatter,  // every rank ends with that sum in its own range; the rest does not matter
  allgather        // every rank ends with what the owner of each range had there at the start
};

// What a symbolic run of a schedule found. `rank` is the first rank at fault (-1 if none).
struct allreduce_proof {
  verdict result = verdict::proved;
  int rank = -1;
  bool same_order = true;     // every element is summed in the same order on every rank: the same bits everywhere
  bool single_order = true;   // and in the same order for all elements
  std::size_t rounds = 0;     // see below
  std::vector<traffic> sent;  // per rank

  constexpr explicit operator bool() const { return result == verdict::proved; }
};

// Runs the schedules of all ranks on symbols instead of numbers, under the executor's rules at their tightest: a
// message moves only when its receiver has asked for it, and one message at a time is under way from rank to rank.
// Whatever finishes here finishes with any window and any transport. A value is a node of the expression that computed
// it; addition is taken as commutative, as it is in floating point, and as not associative.
//
// `rounds` counts rounds in which a rank sends at most one message and receives at most one, the first in its list that
// can be had: no look-ahead, so an upper bound on what an ideal machine with such ports would need.
class symbolic_run {
 public:
  constexpr symbolic_run(std::vector<std::vector<step>> schedules, std::size_t elements,
                         purpose meant = purpose::allreduce, std::vector<slice> owned = {})
      : meant_(meant), owned_(std::move(owned)) {
    for (int r = 0; r < static_cast<int>(schedules.size()); ++r) add_rank(r, std::move(schedules[index(r)]));
    add_cut(cuts_, 0);
    add_cut(cuts_, elements);
    for (const member& m : members_)
      for (const step& s : m.steps.steps) {
        const bool bad = s.peer < 0 || s.peer >= size() || s.peer == m.rank || s.first > s.last || s.last > elements;
        if (bad) fail(verdict::bad_step, m.rank);
        add_cut(cuts_, s.first);
        add_cut(cuts_, s.last);
      }
    for (const slice& own : owned_) {
      add_cut(cuts_, own.first);
      add_cut(cuts_, own.last);
    }
    if (proof_.result != verdict::proved) return;
    if (meant_ == purpose::allreduce || owned_once(elements))
      run();
    else
      fail(verdict::bad_step, -1);
  }

  constexpr allreduce_proof proof() && { return std::move(proof_); }

 private:
  struct lane_state {
    std::size_t at = 0;        // next step of the lane
    std::size_t mate = 0;      // the lane at the other end
    bool arrived = false;      // a receive_add that waits for earlier steps
    std::vector<int> arrival;  // its values
  };
  struct member {
    int rank;
    step_plan steps;
    std::vector<lane_state> lanes;
    std::vector<unsigned char> done;
    std::vector<int> values;                  // a node per piece
    bool sending = false, receiving = false;  // in this round
    int offering = -1;                        // the rank that would send next to this one, and in which lane of its own
    std::size_t offered_lane = 0;
    std::uint32_t offered_step = 0;  // of this rank
  };
  struct node {
    int greater, lesser;  // operands; -1 for a leaf, whose index is its rank
    int first_parent;     // of the nodes of which this is the greater operand
    int next_sibling;
  };

  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }
  constexpr int size() const { return static_cast<int>(members_.size()); }
  constexpr void fail(verdict result, int rank) {
    if (proof_.result == verdict::proved) proof_.result = result, proof_.rank = rank;
  }

  constexpr void add_rank(int rank, std::vector<step> steps) {
    traffic sent;
    for (const step& s : steps)
      if (s.kind == step_kind::send) sent.elements += s.last - s.first, ++sent.messages;
    proof_.sent.push_back(sent);
    member m{rank, make_plan(std::move(steps)), {}, {}, {}};
    m.lanes.resize(m.steps.lanes.size());
    m.done.assign(m.steps.steps.size(), 0);
    members_.push_back(std::move(m));
    nodes_.push_back(node{-1, -1, -1, -1});
  }

  constexpr void run() {
    for (member& m : members_) m.values.assign(cuts_.size() - 1, m.rank);
    if (!pair_lanes()) return;
    while (round()) ++proof_.rounds;
    for (const member& m : members_)
      for (const unsigned char done : m.done)
        if (!done) fail(verdict::deadlock, m.rank);
    if (proof_.result == verdict::proved) judge();
  }

  constexpr bool pair_lanes() {
    for (member& m : members_)
      for (std::size_t l = 0; l < m.lanes.size(); ++l) {
        const lane& here = m.steps.lanes[l];
        const member& peer = members_[index(here.peer)];
        std::size_t k = 0;
        while (k < peer.lanes.size() && (peer.steps.lanes[k].peer != m.rank || peer.steps.lanes[k].sends == here.sends))
          ++k;
        if (k == peer.lanes.size() || peer.steps.lanes[k].steps.size() != here.steps.size()) {
          fail(verdict::unmatched, m.rank);
          return false;
        }
        m.lanes[l].mate = k;
      }
    return true;
  }

  // One round; false when nothing could move.
  constexpr bool round() {
    std::vector<std::pair<int, std::uint32_t>> finished;  // takes effect when the round is over
    for (member& m : members_) m.sending = m.receiving = false;
    for (bool any = true; any;) {
      any = false;
      for (member& m : members_)
        if (!m.sending && offer(m)) any = true;
      for (member& m : members_)
        if (m.offering >= 0) take(m, finished);
    }
    if (finished.empty() || proof_.result != verdict::proved) return false;
    for (const auto& [rank, i] : finished) members_[index(rank)].done[i] = 1;
    for (member& m : members_)
      while (add_arrivals(m)) continue;
    return true;
  }

  // Offers the first message, in list order, that may leave and whose receiver is ready for it; the receiver keeps in
  // mind what comes first in its own list. False when there is none.
  constexpr bool offer(const member& m) {
    std::size_t best = m.lanes.size();
    for (std::size_t l = 0; l < m.lanes.size(); ++l) {
      const lane& here = m.steps.lanes[l];
      if (!here.sends || m.lanes[l].at == here.steps.size()) continue;
      if (best < m.lanes.size() && here.steps[m.lanes[l].at] > m.steps.lanes[best].steps[m.lanes[best].at]) continue;
      const member& peer = members_[index(here.peer)];
      const lane_state& there = peer.lanes[m.lanes[l].mate];
      if (peer.receiving || there.arrived || there.at != m.lanes[l].at) continue;
      const std::uint32_t j = peer.steps.lanes[m.lanes[l].mate].steps[there.at];
      const bool posted = peer.steps.steps[j].kind == step_kind::receive_add || peer.steps.ready(j, peer.done);
      if (posted && m.steps.ready(here.steps[m.lanes[l].at], m.done)) best = l;
    }
    if (best == m.lanes.size()) return false;
    member& peer = members_[index(m.steps.lanes[best].peer)];
    const std::size_t mate = m.lanes[best].mate;
    const std::uint32_t j = peer.steps.lanes[mate].steps[peer.lanes[mate].at];
    if (peer.offering < 0 || j < peer.offered_step)
      peer.offering = m.rank, peer.offered_lane = best, peer.offered_step = j;
    return true;
  }

  constexpr void take(member& peer, std::vector<std::pair<int, std::uint32_t>>& finished) {
    member& m = members_[index(peer.offering)];
    peer.offering = -1;
    const std::size_t best = peer.offered_lane;
    lane_state& there = peer.lanes[m.lanes[best].mate];
    const std::uint32_t i = m.steps.lanes[best].steps[m.lanes[best].at++], j = peer.offered_step;
    const step &out = m.steps.steps[i], &in = peer.steps.steps[j];
    m.sending = peer.receiving = true;
    finished.push_back({m.rank, i});
    if (out.last - out.first != in.last - in.first) return fail(verdict::length_mismatch, m.rank);
    if (out.first != in.first) return fail(verdict::missing_contribution, peer.rank);  // it lands on other elements
    there.arrival.assign(m.values.begin() + static_cast<std::ptrdiff_t>(cut_index(cuts_, out.first)),
                         m.values.begin() + static_cast<std::ptrdiff_t>(cut_index(cuts_, out.last)));
    if (in.kind == step_kind::receive_add) {
      there.arrived = true;
      return;
    }
    for (std::size_t p = cut_index(cuts_, in.first), k = 0; k < there.arrival.size(); ++p, ++k)
      peer.values[p] = there.arrival[k];
    ++there.at;
    finished.push_back({peer.rank, j});
  }

  constexpr bool add_arrivals(member& m) {
    bool any = false;
    for (std::size_t l = 0; l < m.lanes.size(); ++l) {
      lane_state& here = m.lanes[l];
      if (!here.arrived) continue;
      const std::uint32_t i = m.steps.lanes[l].steps[here.at];
      if (!m.steps.ready(i, m.done)) continue;
      for (std::size_t p = cut_index(cuts_, m.steps.steps[i].first), k = 0; k < here.arrival.size(); ++p, ++k)
        m.values[p] = sum(m.values[p], here.arrival[k]);
      here.arrived = false;
      ++here.at;
      m.done[i] = 1;
      any = true;
    }
    return any;
  }

  // The node for a + b. Equal expressions share one node, so comparing nodes compares orders of summation.
  constexpr int sum(int a, int b) {
    const int greater = std::max(a, b), lesser = std::min(a, b);
    for (int n = nodes_[index(greater)].first_parent; n >= 0; n = nodes_[index(n)].next_sibling)
      if (nodes_[index(n)].lesser == lesser) return n;
    nodes_.push_back(node{greater, lesser, -1, nodes_[index(greater)].first_parent});
    return nodes_[index(greater)].first_parent = static_cast<int>(nodes_.size()) - 1;
  }

  constexpr void judge() {
    if (meant_ == purpose::allgather) return judge_allgather();
    std::vector<int> sound;  // expressions known to hold every rank once
    for (const member& m : members_)
      for (std::size_t p = 0; p < m.values.size(); ++p) {
        if (meant_ == purpose::reduce_scatter && !owns(m.rank, p)) continue;
        if (m.values[p] != members_[0].values[p]) proof_.same_order &= meant_ == purpose::reduce_scatter;
        if (!sound.empty() && m.values[p] != sound[0]) proof_.single_order = false;
        if (std::find(sound.begin(), sound.end(), m.values[p]) != sound.end()) continue;
        const verdict found = count_leaves(m.values[p]);
        if (found != verdict::proved) return fail(found, m.rank);
        sound.push_back(m.values[p]);
      }
  }

  constexpr void judge_allgather() {
    for (const member& owner : members_)
      for (std::size_t p = 0; p + 1 < cuts_.size(); ++p)
        for (const member& m : members_)
          if (owns(owner.rank, p) && m.values[p] != owner.rank) return fail(verdict::missing_contribution, m.rank);
  }

  constexpr bool owned_once(std::size_t elements) const {
    if (owned_.size() != members_.size() || cuts_.back() != elements) return false;
    for (std::size_t p = 0; p + 1 < cuts_.size(); ++p) {
      int owners = 0;
      for (const member& m : members_) owners += owns(m.rank, p);
      if (owners != 1) return false;
    }
    return true;
  }

  constexpr bool owns(int rank, std::size_t piece) const {
    const slice own = owned_[index(rank)];
    return own.first <= cuts_[piece] && cuts_[piece + 1] <= own.last;
  }

  constexpr verdict count_leaves(int root) const {
    std::vector<unsigned char> seen(members_.size(), 0);
    std::size_t leaves = 0;
    for (std::vector<int> open{root}; !open.empty();) {
      const int n = open.back();
      open.pop_back();
      if (nodes_[index(n)].greater < 0) {
        if (seen[index(n)]++) return verdict::double_contribution;
        ++leaves;
      } else {
        open.push_back(nodes_[index(n)].greater);
        open.push_back(nodes_[index(n)].lesser);
      }
    }
    return leaves == members_.size() ? verdict::proved : verdict::missing_contribution;
  }

  purpose meant_;
  std::vector<slice> owned_;
  std::vector<member> members_;
  std::vector<node> nodes_;  // the leaves first
  std::vector<std::size_t> cuts_;
  allreduce_proof proof_;
};

inline constexpr std::size_t unsegmented = static_cast<std::size_t>(-1);

// The proof for one size, or what is wrong; `ranks` is a number or a node_map. Usable in a constant expression:
//   static_assert(prove<tree_schedule>(8, 100).rounds == 6);
// Compilers bound the length of one such evaluation. By default g++ goes beyond 16 ranks, clang++ to about 8 (its
// option -fconstexpr-steps goes on); several small proofs reach farther than a great one.
template <schedule Algorithm, rank_count Ranks>
constexpr allreduce_proof prove(const Ranks& ranks, std::size_t elements, std::size_t segment = unsegmented) {
  std::vector<std::vector<step>> schedules;
  for (int r = 0; r < ranks_in(ranks); ++r) schedules.push_back(list_steps<Algorithm>(r, ranks, elements, segment));
  return symbolic_run(std::move(schedules), elements).proof();
}

// Every rank ends with the sum of all ranks.
template <schedule Algorithm, rank_count Ranks>
constexpr bool is_allreduce(const Ranks& ranks, std::size_t elements, std::size_t segment = unsegmented) {
  return prove<Algorithm>(ranks, elements, segment).result == verdict::proved;
}

// And with the same bits, because every rank's sum was formed in the same order.
template <schedule Algorithm, rank_count Ranks>
constexpr bool is_bitwise_equal(const Ranks& ranks, std::size_t elements, std::size_t segment = unsegmented) {
  const allreduce_proof found = prove<Algorithm>(ranks, elements, segment);
  return found.result == verdict::proved && found.same_order;
}

// The proof of another collective, for an algorithm that says which range each rank owns. The ranges have to part the
// buffer: an element without an owner, or with two, is a bad_step of no rank.
template <flat_schedule Algorithm>
constexpr allreduce_proof prove_as(purpose meant, int ranks, std::size_t elements, std::size_t segment = unsegmented) {
  std::vector<std::vector<step>> schedules;
  std::vector<slice> owned;
  for (int r = 0; r < ranks; ++r) {
    schedules.push_back(list_steps<Algorithm>(r, ranks, elements, segment));
    owned.push_back(Algorithm::owned(r, ranks, elements));
  }
  return symbolic_run(std::move(schedules), elements, meant, std::move(owned)).proof();
}

// Rank r ends with the sum of all ranks in Algorithm::owned(r, ranks, elements).
template <flat_schedule Algorithm>
constexpr bool is_reduce_scatter(int ranks, std::size_t elements, std::size_t segment = unsegmented) {
  return prove_as<Algorithm>(purpose::reduce_scatter, ranks, elements, segment).result == verdict::proved;
}

// Every rank ends with what each rank had in its Algorithm::owned(r, ranks, elements).
template <flat_schedule Algorithm>
constexpr bool is_allgather(int ranks, std::size_t elements, std::size_t segment = unsegmented) {
  return prove_as<Algorithm>(purpose::allgather, ranks, elements, segment).result == verdict::proved;
}

}  // namespace firecaffe
