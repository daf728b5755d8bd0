#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "schedule.hpp"

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
// `rounds` counts rounds in which a rank sends at most one message and receives at most one: list order first, no
// look-ahead, so an upper bound on what an ideal machine with such ports would need.
class symbolic_run {
 public:
  constexpr symbolic_run(std::vector<std::vector<step>> schedules, std::size_t elements) {
    for (int r = 0; r < static_cast<int>(schedules.size()); ++r) add_rank(r, std::move(schedules[index(r)]));
    cuts_.push_back(0);
    cuts_.push_back(elements);
    for (const member& m : members_)
      for (const step& s : m.steps.steps) {
        const bool bad = s.peer < 0 || s.peer >= size() || s.peer == m.rank || s.first > s.last || s.last > elements;
        if (bad) fail(verdict::bad_step, m.rank);
        cuts_.push_back(s.first);
        cuts_.push_back(s.last);
      }
    if (proof_.result != verdict::proved) return;
    sort_cuts(cuts_);
    run();
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
    std::vector<int> values;  // a node per piece
    bool receiving = false;   // in this round
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
    for (member& m : members_) m.receiving = false;
    for (member& m : members_) send_one(m, finished);
    if (finished.empty() || proof_.result != verdict::proved) return false;
    for (const auto& [rank, i] : finished) members_[index(rank)].done[i] = 1;
    for (member& m : members_)
      while (add_arrivals(m)) continue;
    return true;
  }

  // The first message, in list order, that may leave and whose receiver is ready for it.
  constexpr void send_one(member& m, std::vector<std::pair<int, std::uint32_t>>& finished) {
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
    if (best == m.lanes.size()) return;

    const std::uint32_t i = m.steps.lanes[best].steps[m.lanes[best].at++];
    member& peer = members_[index(m.steps.lanes[best].peer)];
    lane_state& there = peer.lanes[m.lanes[best].mate];
    const std::uint32_t j = peer.steps.lanes[m.lanes[best].mate].steps[there.at];
    const step &out = m.steps.steps[i], &in = peer.steps.steps[j];
    peer.receiving = true;
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
    std::vector<int> sound;  // expressions known to hold every rank once
    for (const member& m : members_)
      for (std::size_t p = 0; p < m.values.size(); ++p) {
        if (m.values[p] != members_[0].values[p]) proof_.same_order = false;
        if (m.values[p] != members_[0].values[0]) proof_.single_order = false;
        if (std::find(sound.begin(), sound.end(), m.values[p]) != sound.end()) continue;
        const verdict found = count_leaves(m.values[p]);
        if (found != verdict::proved) return fail(found, m.rank);
        sound.push_back(m.values[p]);
      }
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

  std::vector<member> members_;
  std::vector<node> nodes_;  // the leaves first
  std::vector<std::size_t> cuts_;
  allreduce_proof proof_;
};

inline constexpr std::size_t unsegmented = static_cast<std::size_t>(-1);

// The proof for one size, or what is wrong. Usable in a constant expression:
//   static_assert(prove<tree_schedule>(8, 100, 30).rounds == 12);
template <schedule Algorithm>
constexpr allreduce_proof prove(int ranks, std::size_t elements, std::size_t segment = unsegmented) {
  std::vector<std::vector<step>> schedules;
  for (int r = 0; r < ranks; ++r) schedules.push_back(list_steps<Algorithm>(r, ranks, elements, segment));
  return symbolic_run(std::move(schedules), elements).proof();
}

// Every rank ends with the sum of all ranks.
template <schedule Algorithm>
constexpr bool is_allreduce(int ranks, std::size_t elements, std::size_t segment = unsegmented) {
  return prove<Algorithm>(ranks, elements, segment).result == verdict::proved;
}

// And with the same bits, because every rank's sum was formed in the same order.
template <schedule Algorithm>
constexpr bool is_bitwise_equal(int ranks, std::size_t elements, std::size_t segment = unsegmented) {
  const allreduce_proof found = prove<Algorithm>(ranks, elements, segment);
  return found.result == verdict::proved && found.same_order;
}

}  // namespace firecaffe
