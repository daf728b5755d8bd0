#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "schedule.hpp"

namespace firecaffe {

// The schedules of all ranks, made ready to be run on models of machines: every message knows both of its ends and
// every step what waits for it. Knows nothing of any machine, so that one rehearsal serves many.
//
// When all ranks do the same (ring, halving-doubling on a power of two, ...), one rank stands for all, and its messages
// go to itself. Slices whose lengths differ by at most a block of 64 elements, because the elements cannot be divided
// evenly, are then all as long as the longest.
class rehearsal {
 public:
  static constexpr std::size_t block = 64;

  struct end {  // a step of a rank
    std::uint32_t part = 0, step = 0;
  };
  struct part {  // one rank's
    step_plan plan;
    std::vector<std::uint32_t> lane_of;             // of each step
    std::vector<std::uint32_t> after, first_after;  // after[first_after[i]] .. wait for step i
    std::vector<end> mates;                         // the other end of each step's message
  };

  // `list(rank)` gives the steps of a rank; `whole` keeps one rank from standing for all.
  // Throws usage_error when the ranks' messages do not match.
  rehearsal(int ranks, const std::function<std::vector<step>(int)>& list, bool whole = false) : ranks_(ranks) {
    if (ranks < 1) throw usage_error("a schedule needs a rank");
    if (!whole && ranks > 2 && one_for_all(list)) return;
    for (int r = 0; r < ranks; ++r) add(list(r));
    std::vector<std::vector<end>> mates(parts_.size());  // of lanes; end::step is a lane here
    for (std::size_t r = 0; r < parts_.size(); ++r)
      for (const lane& l : parts_[r].plan.lanes) {
        const auto peer = static_cast<std::uint32_t>(l.peer);
        if (l.peer < 0 || l.peer >= ranks) unmatched(static_cast<int>(r), l.peer);
        mates[r].push_back({peer, find_lane(parts_[peer], !l.sends, static_cast<int>(r))});
      }
    for (std::size_t r = 0; r < parts_.size(); ++r) join(r, mates[r]);
  }

  int ranks() const { return ranks_; }
  bool symmetric() const { return symmetric_; }  // parts()[0] stands for every rank
  const std::vector<part>& parts() const { return parts_; }

 private:
  static std::uint32_t find_lane(const part& p, bool sends, int peer) {
    std::uint32_t l = 0;
    while (l < p.plan.lanes.size() && (p.plan.lanes[l].sends != sends || p.plan.lanes[l].peer != peer)) ++l;
    return l;
  }

  [[noreturn]] static void unmatched(int rank, int peer) {
    throw usage_error("this is no schedule: messages of rank " + std::to_string(rank) + " and rank " +
                      std::to_string(peer) + " do not match");
  }

  void add(std::vector<step> steps) {
    part& p = parts_.emplace_back();
    p.plan = make_plan(std::move(steps));
    const std::size_t count = p.plan.steps.size();
    p.lane_of.resize(count);
    for (std::uint32_t l = 0; l < p.plan.lanes.size(); ++l)
      for (const std::uint32_t i : p.plan.lanes[l].steps) p.lane_of[i] = l;
    p.first_after.assign(count + 1, 0);
    for (const std::uint32_t earlier : p.plan.needs) ++p.first_after[earlier + 1];
    for (std::size_t i = 0; i < count; ++i) p.first_after[i + 1] += p.first_after[i];
    p.after.resize(p.plan.needs.size());
    std::vector<std::uint32_t> next = p.first_after;
    for (std::uint32_t i = 0; i < count; ++i)
      for (std::uint32_t k = p.plan.first_need[i]; k < p.plan.first_need[i + 1]; ++k)
        p.after[next[p.plan.needs[k]]++] = i;
  }

  void join(std::size_t r, const std::vector<end>& mates) {
    part& p = parts_[r];
    p.mates.resize(p.plan.steps.size());
    for (std::size_t l = 0; l < mates.size(); ++l) {
      const lane& here = p.plan.lanes[l];
      const std::vector<lane>& there = parts_[mates[l].part].plan.lanes;
      if (mates[l].step == there.size() || there[mates[l].step].steps.size() != here.steps.size())
        unmatched(static_cast<int>(r), here.peer);
      for (std::size_t k = 0; k < here.steps.size(); ++k)
        p.mates[here.steps[k]] = {mates[l].part, there[mates[l].step].steps[k]};
    }
  }

  // Whether every rank's list is rank 0's with the peers renamed, and the renaming takes each message to its other end.
  // What waits for what is compared for a few ranks only.
  bool one_for_all(const std::function<std::vector<step>(int)>& list) {
    add(list(0));
    std::vector<step> longest = parts_[0].plan.steps;
    const std::size_t lanes = parts_[0].plan.lanes.size();
    std::vector<int> peers(static_cast<std::size_t>(ranks_) * lanes, -1);
    bool same = lanes > 0;
    for (int r = 0; r < ranks_ && same; ++r)
      same = alike(list(r), r, longest, &peers[static_cast<std::size_t>(r) * lanes]);
    const auto peer_of = [&](int r, std::size_t l) { return peers[static_cast<std::size_t>(r) * lanes + l]; };
    std::vector<end> mates;
    for (std::size_t l = 0; l < lanes && same; ++l) {
      std::uint32_t m = 0;
      const bool sends = parts_[0].plan.lanes[l].sends;
      while (m < lanes && (parts_[0].plan.lanes[m].sends == sends || peer_of(peer_of(0, l), m) != 0)) ++m;
      same = m < lanes;
      for (int r = 0; r < ranks_ && same; ++r) same = peer_of(peer_of(r, l), m) == r;
      mates.push_back({0, m});
    }
    for (const int r : {1, ranks_ / 2, ranks_ - 1})
      if (same) same = needs_of(make_plan(list(r))) == needs_of(parts_[0].plan);
    if (!same) {
      parts_.clear();
      return false;
    }
    for (std::size_t i = 0; i < longest.size(); ++i)
      parts_[0].plan.steps[i].last = parts_[0].plan.steps[i].first + longest[i].last - longest[i].first;
    join(0, mates);
    return symmetric_ = true;
  }

  static std::vector<std::pair<std::uint32_t, std::uint32_t>> needs_of(const step_plan& plan) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (std::uint32_t i = 0; i < plan.steps.size(); ++i)
      for (std::uint32_t k = plan.first_need[i]; k < plan.first_need[i + 1]; ++k) pairs.push_back({i, plan.needs[k]});
    std::sort(pairs.begin(), pairs.end());
    return pairs;
  }

  // Compares the steps of a rank with those of rank 0 and notes the peer of each lane.
  bool alike(const std::vector<step>& steps, int rank, std::vector<step>& longest, int* peers) const {
    const part& p = parts_[0];
    if (steps.size() != longest.size()) return false;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const step &here = steps[i], &there = p.plan.steps[i];
      const std::size_t length = here.last - here.first, of_rank_0 = there.last - there.first;
      if (here.kind != there.kind || length > of_rank_0 + block || of_rank_0 > length + block) return false;
      if (length > longest[i].last - longest[i].first) longest[i].last = longest[i].first + length;
      int& peer = peers[p.lane_of[i]];
      if (peer < 0) peer = here.peer;
      if (peer != here.peer || peer < 0 || peer >= ranks_ || peer == rank) return false;
    }
    std::vector<unsigned char> seen(2 * static_cast<std::size_t>(ranks_));
    for (std::size_t l = 0; l < p.plan.lanes.size(); ++l)
      if (seen[2 * static_cast<std::size_t>(peers[l]) + p.plan.lanes[l].sends]++) return false;
    return true;
  }

  int ranks_;
  bool symmetric_ = false;
  std::vector<part> parts_;
};

// Of an algorithm; `whole` as above, and implied where some ranks share a node and others do not.
template <schedule Algorithm>
rehearsal rehearse(const node_map& nodes, std::size_t elements, std::size_t segment, bool whole = false) {
  return rehearsal(
      nodes.ranks(), [&](int rank) { return list_steps<Algorithm>(rank, nodes, elements, segment); },
      whole || (nodes.nodes() > 1 && nodes.nodes() < nodes.ranks()));
}

}  // namespace firecaffe
