#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "schedule.hpp"

namespace firecaffe {

// Where ranks that see each other's memory save a pass over it. A rank lends the range that it sends when the next
// thing it does there is to receive it from the same peer: until then the peer may write into it. A rank that adds what
// was lent to it, and then sends the lender the sum, puts that sum there while it completes it, and its message says no
// more than that.
//
// Each rank finds its part in its own plan; a message tells whether its sender lends.
struct loan_plan {
  static constexpr std::uint32_t none = UINT32_MAX;

  std::vector<unsigned char> lends;      // by step: a send of such a range
  std::vector<std::uint32_t> borrowed;   // by step: for the send of a sum, the receive_add of that peer's part
  std::vector<std::uint32_t> completes;  // by step: for the last receive_add of a sum, the first of its sends
  std::vector<std::uint32_t> next;       // by step: and from each send to the next
};

constexpr loan_plan find_loans(const step_plan& plan) {
  const std::size_t count = plan.steps.size();
  loan_plan result;
  result.lends.resize(count);
  for (auto* list : {&result.borrowed, &result.completes, &result.next}) list->resize(count, loan_plan::none);

  // The step that alone is waited for, if it has the same range: nothing has touched any of that in between.
  const auto before = [&](std::uint32_t i) {
    if (plan.first_need[i + 1] - plan.first_need[i] != 1) return loan_plan::none;
    const std::uint32_t k = plan.needs[plan.first_need[i]];
    const bool same = plan.steps[k].first == plan.steps[i].first && plan.steps[k].last == plan.steps[i].last;
    return same ? k : loan_plan::none;
  };
  const auto adds = [&](std::uint32_t i) {
    return i != loan_plan::none && plan.steps[i].kind == step_kind::receive_add;
  };

  for (std::uint32_t i = 0; i < count; ++i) {
    const step& s = plan.steps[i];
    const std::uint32_t last = before(i);
    if (last == loan_plan::none) continue;
    if (s.kind == step_kind::receive && plan.steps[last].kind == step_kind::send && plan.steps[last].peer == s.peer)
      result.lends[last] = 1;
    if (s.kind != step_kind::send || !adds(last)) continue;
    std::uint32_t part = last;
    while (adds(part) && plan.steps[part].peer != s.peer) part = before(part);
    if (!adds(part)) continue;
    result.borrowed[i] = part;
    result.next[i] = result.completes[last];
    result.completes[last] = i;
  }
  return result;
}

}  // namespace firecaffe
