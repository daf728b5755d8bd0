#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace firecaffe {

// Which ranks share a node. Nodes are numbered 0, 1, ... in the order in which the ranks first name them; the ranks of
// a node need not be neighbours. Usable in constant expressions.
class node_map {
 public:
  // All ranks on one node.
  constexpr explicit node_map(int ranks) : node_map(even(1, ranks)) {}

  // Ranks with equal entries share a node; the entries may be any numbers, say the lowest rank of each node.
  constexpr explicit node_map(std::vector<int> node_of_rank) : node_(std::move(node_of_rank)) {
    if (node_.empty()) throw usage_error("a node map needs a rank");
    std::vector<int> names, sizes;
    for (int& node : node_) {
      std::size_t k = 0;
      while (k < names.size() && names[k] != node) ++k;
      if (k == names.size()) {
        names.push_back(node);
        sizes.push_back(0);
      }
      node = static_cast<int>(k);
      local_.push_back(sizes[k]++);
    }
    first_.push_back(0);
    for (const int size : sizes) first_.push_back(first_.back() + index(size));
    members_ = node_;  // for its length
    for (std::size_t r = 0; r < node_.size(); ++r)
      members_[first_[index(node_[r])] + index(local_[r])] = static_cast<int>(r);
  }

  // `nodes` nodes of `size` neighbouring ranks each.
  static constexpr node_map even(int nodes, int size) {
    std::vector<int> node_of_rank;
    for (int rank = 0; rank < nodes * size; ++rank) node_of_rank.push_back(rank / size);
    return node_map(std::move(node_of_rank));
  }

  constexpr int ranks() const { return static_cast<int>(node_.size()); }
  constexpr int nodes() const { return static_cast<int>(first_.size()) - 1; }
  constexpr int node_of(int rank) const { return node_[index(rank)]; }
  constexpr int node_size(int node) const { return static_cast<int>(members(node).size()); }
  constexpr int local_rank(int rank) const { return local_[index(rank)]; }  // its place among its node's members
  constexpr std::span<const int> members(int node) const {                  // their ranks, ascending
    return {members_.data() + first_[index(node)], first_[index(node) + 1] - first_[index(node)]};
  }

  constexpr bool operator==(const node_map&) const = default;

 private:
  static constexpr std::size_t index(int i) { return static_cast<std::size_t>(i); }

  std::vector<int> node_;           // by rank
  std::vector<int> local_;          // by rank
  std::vector<int> members_;        // ordered by node, then by rank
  std::vector<std::size_t> first_;  // of each node in members_
};

}  // namespace firecaffe
