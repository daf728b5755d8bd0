#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

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
concept schedule = requires(std::size_t count, step_sink emit) {
  { Algorithm::name } -> std::convertible_to<std::string_view>;
  Algorithm::steps(0, 1, count, count, emit);
};

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
constexpr void sort_cuts(std::vector<std::size_t>& cuts) {
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
}

constexpr std::size_t cut_index(const std::vector<std::size_t>& cuts, std::size_t position) {
  return static_cast<std::size_t>(std::lower_bound(cuts.begin(), cuts.end(), position) - cuts.begin());
}

constexpr step_plan make_plan(std::vector<step> steps) {
  step_plan result;
  result.steps = std::move(steps);

  std::vector<std::size_t> cuts;
  for (const step& s : result.steps) {
    cuts.push_back(s.first);
    cuts.push_back(s.last);
  }
  sort_cuts(cuts);

  struct piece {  // who touched it last
    bool written = false;
    std::uint32_t writer = 0;
    std::vector<std::uint32_t> readers;  // since that write
  };
  std::vector<piece> pieces(cuts.size());
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
      piece& touched = pieces[p];
      if (sends) {
        if (touched.written) wait_for(touched.writer);
        touched.readers.push_back(i);
        continue;
      }
      if (touched.written && touched.readers.empty()) wait_for(touched.writer);
      for (const std::uint32_t reader : touched.readers) wait_for(reader);
      touched.written = true;
      touched.writer = i;
      touched.readers.clear();
    }
    result.first_need.push_back(static_cast<std::uint32_t>(result.needs.size()));
  }
  return result;
}

template <schedule Algorithm>
constexpr std::vector<step> list_steps(int rank, int ranks, std::size_t elements, std::size_t segment) {
  std::vector<step> steps;
  if (ranks > 1)
    Algorithm::steps(rank, ranks, elements, segment, [&](const step& s) {
      if (s.first != s.last) steps.push_back(s);
    });
  return steps;
}

// How many elements `rank` sends, and in how many messages. Nothing is allocated: usable at any size.
struct traffic {
  std::size_t elements = 0;
  std::size_t messages = 0;
};

template <schedule Algorithm>
constexpr traffic sent_by(int rank, int ranks, std::size_t elements, std::size_t segment) {
  traffic sent;
  if (ranks > 1)
    Algorithm::steps(rank, ranks, elements, segment, [&](const step& s) {
      if (s.kind != step_kind::send || s.first == s.last) return;
      sent.elements += s.last - s.first;
      ++sent.messages;
    });
  return sent;
}

}  // namespace firecaffe
