#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "node_map.hpp"
#include "phases.hpp"

namespace firecaffe {

// Within the nodes, then between them: the ranks of a node reduce by the first phase of Inner; every rank that now owns
// a part sums it with its like on the other nodes (those with the same place among their node's ranks) by Outer; then
// each node spreads it by the second phase of Inner. The phases overlap, segment by segment. Ranks may lie on nodes in
// any way (node_map); for several owners in a node (any Inner but a tree or chain) all nodes must have the same number
// of ranks, else steps throws usage_error.
//
// With p = n k ranks, k on each of n nodes, and b bytes, a rank sends what Inner has it send of b with k ranks, and
// what Outer has it send of its owned part with n ranks (exactly: elements_sent). With ring or direct inside and a
// bandwidth-optimal Outer that is 2 (k - 1)/k b within the node and 2 (n - 1)/n b/k, per rank, between the nodes.
//
// Order of summation: Inner's within a node, then Outer's of the nodes' sums. It depends on the placement of the ranks
// and on whatever the two depend on. Every rank ends with the same bits if Outer's do.
template <two_phase_schedule Inner, flat_schedule Outer>
struct hierarchical_schedule {
 private:
  static constexpr auto text =
      join_names<16 + Inner::name.size() + Outer::name.size()>({"hierarchical<", Inner::name, ", ", Outer::name, ">"});

 public:
  static constexpr std::string_view name{text.data(), text.size()};

  template <class Emit>
  static constexpr void steps(int rank, const node_map& nodes, std::size_t elements, std::size_t segment, Emit&& emit) {
    check(nodes);
    const place here = place_of(rank, nodes, elements);
    const auto inside = [&](const step& s) {
      emit(step{s.kind, nodes.members(here.node)[static_cast<std::size_t>(s.peer)], s.first, s.last});
    };
    if (here.inner_ranks > 1) Inner::reduce(here.inner_rank, here.inner_ranks, elements, segment, inside);
    if (nodes.nodes() > 1 && here.owned.size() > 0)
      Outer::steps(here.node, nodes.nodes(), here.owned.size(), segment, [&](const step& s) {
        const int peer = nodes.members(s.peer)[static_cast<std::size_t>(here.inner_rank)];
        emit(step{s.kind, peer, here.owned.first + s.first, here.owned.first + s.last});
      });
    if (here.inner_ranks > 1) Inner::spread(here.inner_rank, here.inner_ranks, elements, segment, inside);
  }

  static constexpr std::size_t elements_sent(int rank, const node_map& nodes, std::size_t elements) {
    const place here = place_of(rank, nodes, elements);
    return (here.inner_ranks > 1 ? Inner::elements_sent(here.inner_rank, here.inner_ranks, elements) : 0) +
           (nodes.nodes() > 1 && here.owned.size() > 0
                ? Outer::elements_sent(here.node, nodes.nodes(), here.owned.size())
                : 0);
  }

 private:
  struct place {
    int node, inner_rank, inner_ranks;
    slice owned;
  };

  static constexpr place place_of(int rank, const node_map& nodes, std::size_t elements) {
    const int node = nodes.node_of(rank), inner_rank = nodes.local_rank(rank), inner_ranks = nodes.node_size(node);
    return {node, inner_rank, inner_ranks, Inner::owned(inner_rank, inner_ranks, elements)};
  }

  static constexpr void check(const node_map& nodes) {
    if (Inner::one_owner) return;
    for (int n = 1; n < nodes.nodes(); ++n)
      if (nodes.node_size(n) != nodes.node_size(0)) refuse(nodes, n);
  }

  [[noreturn]] static void refuse(const node_map& nodes, int node) {
    const auto tell = [&](int n) {
      return "node " + std::to_string(n) + " (that of rank " + std::to_string(nodes.members(n)[0]) + ") has " +
             std::to_string(nodes.node_size(n));
    };
    throw usage_error(std::string(name) + " needs as many ranks on every node, unless the inner algorithm is a tree: " +
                      tell(0) + ", " + tell(node));
  }
};

}  // namespace firecaffe
