#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "node_map.hpp"

namespace firecaffe {

// A collective is data: what one rank does is a list of steps over one buffer of `elements` numbers.
enum class step_kind : std::uint8_t { send, receive, receive_add };

struct step {
  step_kind kind;
  int peer;
  std::size_t first, last;  // the elements [first, last) of the buffer
};

constexpr std::string_view to_string(step_kind kind) {
  return kind == step_kind::send ? "send" : kind == step_kind::receive ? "receive" : "receive_add";
}

// What an algorithm may be handed to emit its steps into.
struct step_sink {
  constexpr void operator()(const step&) const {}
};

// An algorithm is a name and a constexpr function that emits the steps of `rank`, in order. `segment` is the greatest
// number of elements that one message should carry; cutting into segments is what lets an algorithm be pipelined.
//
// The steps of a rank take effect as if performed in list order, but only data keeps them in that order: a send waits
// for the earlier receives that touch its range, a receive for every earlier step that touches its range, and a
// receive_add (which arrives beside the buffer) is added once those are done. Messages from one rank to another match
// in list order. Empty steps (first == last) are dropped on both sides.
template <class Algorithm>
concept flat_schedule = requires(std::size_t count, step_sink emit) {
  { Algorithm::name } -> std::convertible_to<std::string_view>;
  Algorithm::steps(0, 1, count, count, emit);
};

// One that wants to know which ranks share a node takes a node_map in place of the number of ranks.
template <class Algorithm>
concept placed_schedule = requires(const node_map& nodes, std::size_t count, step_sink emit) {
  { Algorithm::name } -> std::convertible_to<std::string_view>;
  Algorithm::steps(0, nodes, count, count, emit);
};

template <class Algorithm>
concept schedule = flat_schedule<Algorithm> || placed_schedule<Algorithm>;

// The steps that go to, or come from, one peer. They start in order, a window of them at a time.
struct lane {
  bool sends;
  int peer;
  std::vector<std::uint32_t> steps;  // indices into step_plan::steps
};

// One rank's steps with their lanes and with the steps that each has to wait for.
struct step_plan {
  std::vector<step> steps;
  std::vector<lane> lanes;                // in order of first use
  std::vector<std::uint32_t> needs;       // step i waits for needs[first_need[i]] .. needs[first_need[i + 1] - 1]
  std::vector<std::uint32_t> first_need;  // steps.size() + 1 of them

  // Whether everything that step i waits for is done. `done` is indexed like `steps`.
  template <class Done>
  constexpr bool ready(std::size_t i, const Done& done) const {
    for (std::size_t k = first_need[i]; k < first_need[i + 1]; ++k)
      if (!done[needs[k]]) return false;
    return true;
  }
};

// Sorted positions at which some step begins or ends: between two neighbours every element shares one fate.
// Written out, not with std::sort and std::lower_bound, for the sake of proofs: compilers count every call inside.
constexpr std::size_t cut_index(const std::vector<std::size_t>& cuts, std::size_t position) {
  const std::size_t* const at = cuts.data();
  std::size_t low = 0, high = cuts.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (at[middle] < position)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

constexpr void add_cut(std::vector<std::size_t>& cuts, std::size_t position) {
  const std::size_t at = cut_index(cuts, position);
  if (at == cuts.size() || cuts[at] != position) cuts.insert(cuts.begin() + static_cast<std::ptrdiff_t>(at), position);
}

constexpr step_plan make_plan(std::vector<step> steps) {
  step_plan result;
  result.steps = std::move(steps);

  std::vector<std::size_t> cuts;
  for (const step& s : result.steps) {
    add_cut(cuts, s.first);
    add_cut(cuts, s.last);
  }

  // Who touched each piece last: its writer, and who read it since (entries of `readers`, each with the one before).
  constexpr std::uint32_t nobody = UINT32_MAX;
  std::vector<std::uint32_t> writer(cuts.size(), nobody), last_reader(cuts.size(), nobody), readers, earlier_reader;
  result.needs.reserve(result.steps.size());
  result.first_need.reserve(result.steps.size() + 1);
  result.first_need.push_back(0);
  for (std::uint32_t i = 0; i < result.steps.size(); ++i) {
    const step& s = result.steps[i];
    const bool sends = s.kind == step_kind::send;

    std::size_t l = 0;
    while (l < result.lanes.size() && (result.lanes[l].sends != sends || result.lanes[l].peer != s.peer)) ++l;
    if (l == result.lanes.size()) result.lanes.push_back(lane{sends, s.peer, {}});
    result.lanes[l].steps.push_back(i);

    const std::size_t begin = result.needs.size();
    const auto wait_for = [&](std::uint32_t earlier) {
      for (std::size_t k = begin; k < result.needs.size(); ++k)
        if (result.needs[k] == earlier) return;
      result.needs.push_back(earlier);
    };
    for (std::size_t p = cut_index(cuts, s.first), end = cut_index(cuts, s.last); p < end; ++p) {
      if (sends) {
        if (writer[p] != nobody) wait_for(writer[p]);
        earlier_reader.push_back(last_reader[p]);
        last_reader[p] = static_cast<std::uint32_t>(readers.size());
        readers.push_back(i);
        continue;
      }
      if (writer[p] != nobody && last_reader[p] == nobody) wait_for(writer[p]);
      for (std::uint32_t r = last_reader[p]; r != nobody; r = earlier_reader[r]) wait_for(readers[r]);
      writer[p] = i;
      last_reader[p] = nobody;
    }
    result.first_need.push_back(static_cast<std::uint32_t>(result.needs.size()));
  }
  return result;
}

// Calls the algorithm for `ranks` ranks, given as their number or as a node_map. A flat schedule needs only the number;
// for a placed one a mere number means that all share a node. One rank has nothing to do.
template <schedule Algorithm, class Emit>
constexpr void emit_steps(int rank, int ranks, std::size_t elements, std::size_t segment, Emit&& emit) {
  if (ranks == 1) return;
  if constexpr (flat_schedule<Algorithm>)
    Algorithm::steps(rank, ranks, elements, segment, emit);
  else
    Algorithm::steps(rank, node_map(ranks), elements, segment, emit);
}

template <schedule Algorithm, class Emit>
constexpr void emit_steps(int rank, const node_map& nodes, std::size_t elements, std::size_t segment, Emit&& emit) {
  if constexpr (flat_schedule<Algorithm>)
    emit_steps<Algorithm>(rank, nodes.ranks(), elements, segment, emit);
  else if (nodes.ranks() > 1)
    Algorithm::steps(rank, nodes, elements, segment, emit);
}

template <class Ranks>
concept rank_count = std::same_as<Ranks, int> || std::same_as<Ranks, node_map>;

constexpr int ranks_in(int ranks) { return ranks; }
constexpr int ranks_in(const node_map& ranks) { return ranks.ranks(); }

template <schedule Algorithm, rank_count Ranks>
constexpr std::vector<step> list_steps(int rank, const Ranks& ranks, std::size_t elements, std::size_t segment) {
  std::vector<step> steps;
  emit_steps<Algorithm>(rank, ranks, elements, segment, [&](const step& s) {
    if (s.first != s.last) steps.push_back(s);
  });
  return steps;
}

// How many elements `rank` sends, and in how many messages. Flat schedules allocate nothing here, so that it can be
// asked for at any size.
struct traffic {
  std::size_t elements = 0;
  std::size_t messages = 0;

  constexpr bool operator==(const traffic&) const = default;
};

template <schedule Algorithm, rank_count Ranks>
constexpr traffic sent_by(int rank, const Ranks& ranks, std::size_t elements, std::size_t segment) {
  traffic sent;
  emit_steps<Algorithm>(rank, ranks, elements, segment, [&](const step& s) {
    if (s.kind != step_kind::send || s.first == s.last) return;
    sent.elements += s.last - s.first;
    ++sent.messages;
  });
  return sent;
}

}  // namespace firecaffe
