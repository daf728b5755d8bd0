#pragma once

#include <utility>

#include "../core/layer.hpp"
#include "../layers/pointwise.hpp"
#include "network.hpp"

namespace firecaffe {

// A network flattened: a list of ops over numbered values, as constexpr arrays. Value 0 is the network's input.

enum class op_kind { transform, loss, metric, concat, sum };

struct op {
  op_kind kind = op_kind::transform;
  int leaf = -1;                        // index into the network's flat list of layers; -1 for concat and sum
  int input = -1, output = -1;          // values; a loss or metric has no output
  int first_operand = 0, operands = 0;  // concat and sum: a slice of graph::operand
  double loss_weight = 1;
};

template <int Ops, int Operands>
struct graph {
  op ops[Ops + 1];
  shape values[Ops + 2];
  int operand[Operands + 1];
  int op_count = 0, value_count = 0, operand_count = 0, leaf_count = 0;
  double weight = 1;  // of the losses being added now
  fault first_fault = fault::none;
  int faulty_op = -1, faulty_leaf = -1;
  shape faulty_input;

  constexpr int add_value(shape s) {
    values[value_count] = s;
    return value_count++;
  }

  constexpr void report(fault f, shape in) {
    if (f == fault::none || first_fault != fault::none) return;
    first_fault = f, faulty_op = op_count, faulty_leaf = leaf_count - 1, faulty_input = in;
  }

  template <layer Leaf>
  constexpr int add_leaf(int in) {
    const int leaf = leaf_count++;
    if (first_fault != fault::none) return in;
    report(Leaf::check(values[in]), values[in]);
    if (first_fault != fault::none) return in;
    op& added = ops[op_count++];
    added.leaf = leaf, added.input = in;
    if constexpr (Leaf::kind == layer_kind::transform)
      added.output = add_value(Leaf::output(values[in]));
    else
      added.kind = Leaf::kind == layer_kind::loss ? op_kind::loss : op_kind::metric, added.loss_weight = weight;
    return added.kind == op_kind::transform ? added.output : in;
  }

  constexpr int join(op_kind kind, const int* branches, int count) {
    if (first_fault != fault::none) return branches[0];
    op added{kind, -1, branches[0], -1, operand_count, count};
    shape out = values[branches[0]];
    for (int b = 0; b < count; ++b) {
      const shape s = values[branches[b]];
      const bool same_plane = s.height == out.height && s.width == out.width && s.depth == out.depth;
      if (!same_plane || (kind == op_kind::sum && s.channels != out.channels)) report(fault::branches_disagree, s);
      if (kind == op_kind::concat && b > 0) out.channels += s.channels;
      operand[operand_count++] = branches[b];
    }
    if (first_fault != fault::none) return branches[0];
    added.output = add_value(out);
    ops[op_count++] = added;
    return added.output;
  }
};

// How many leaves, joins and operands a node has at most; and how it is added to a graph after value `in`.
template <class Node>
struct node {
  static_assert(layer<Node>, "this is neither a layer nor a combinator (chain, concat, sum, tap)");
  static constexpr int ops = 1, operands = 0;
  template <class Graph>
  static constexpr int add(Graph& g, int in) {
    return g.template add_leaf<Node>(in);
  }
};

template <>
struct node<identity> {
  static constexpr int ops = 0, operands = 0;
  template <class Graph>
  static constexpr int add(Graph&, int in) {
    return in;
  }
};

template <class... Nodes>
struct node<chain<Nodes...>> {
  static constexpr int ops = (0 + ... + node<Nodes>::ops), operands = (0 + ... + node<Nodes>::operands);
  template <class Graph>
  static constexpr int add(Graph& g, int in) {
    ((in = node<Nodes>::add(g, in)), ...);
    return in;
  }
};

template <op_kind Kind, class... Branches>
struct joined_node {
  static_assert(sizeof...(Branches) > 0, "concat and sum need at least one branch");
  static constexpr int ops = 1 + (0 + ... + node<Branches>::ops);
  static constexpr int operands = int(sizeof...(Branches)) + (0 + ... + node<Branches>::operands);
  template <class Graph>
  static constexpr int add(Graph& g, int in) {
    const int ends[] = {node<Branches>::add(g, in)...};
    return g.join(Kind, ends, int(sizeof...(Branches)));
  }
};

template <class... Branches>
struct node<concat<Branches...>> : joined_node<op_kind::concat, Branches...> {};

template <class... Branches>
struct node<sum<Branches...>> : joined_node<op_kind::sum, Branches...> {};

template <class Weight, class... Nodes>
struct node<tap<Weight, Nodes...>> : node<chain<Nodes...>> {
  template <class Graph>
  static constexpr int add(Graph& g, int in) {
    const double outer = std::exchange(g.weight, g.weight * value_of<Weight>);
    node<chain<Nodes...>>::add(g, in);
    g.weight = outer;
    return in;
  }
};

// The layers of a network, left to right, as one flat pack.
template <class... Leaves>
struct leaf_list {
  static constexpr int size = int(sizeof...(Leaves));
};

template <class... A, class... B>
leaf_list<A..., B...> operator+(leaf_list<A...>, leaf_list<B...>);

template <class Node>
struct leaves {
  using list = leaf_list<Node>;
};
template <>
struct leaves<identity> {
  using list = leaf_list<>;
};
template <template <class...> class Combinator, class... Nodes>
requires(!layer<Combinator<Nodes...>>) struct leaves<Combinator<Nodes...>> {
  using list = decltype((leaf_list<>{} + ... + typename leaves<Nodes>::list{}));
};
template <class Weight, class... Nodes>
struct leaves<tap<Weight, Nodes...>> : leaves<chain<Nodes...>> {};

template <int Index, class Leaf>
struct indexed_leaf {
  using type = Leaf;
};

template <class Indices, class List>
struct indexed_leaves;
template <int... I, class... Leaves>
struct indexed_leaves<std::integer_sequence<int, I...>, leaf_list<Leaves...>> : indexed_leaf<I, Leaves>... {};

template <int Index, class Leaf>
indexed_leaf<Index, Leaf> find_leaf(const indexed_leaf<Index, Leaf>*);

template <class Input, class... Nodes>
struct flattened {
  using list = typename leaves<chain<Nodes...>>::list;
  using indexed = indexed_leaves<std::make_integer_sequence<int, list::size>, list>;
  using root = node<chain<Nodes...>>;

  static constexpr auto build() {
    graph<root::ops, root::operands> g{};
    root::add(g, g.add_value(Input::extents));
    return g;
  }
  static constexpr auto value = build();
};

template <class Network>
struct flattened_network;
template <class Input, class... Nodes>
struct flattened_network<network<Input, Nodes...>> : flattened<Input, Nodes...> {};

// The graph of a network, unchecked: network/check.hpp turns its first fault into a message.
template <class Net>
constexpr const auto& unchecked_graph_of = flattened_network<typename Net::network_type>::value;

// The layer with flat index `Index`.
template <class Net, int Index>
using leaf_of = typename decltype(find_leaf<Index>(
    static_cast<const typename flattened_network<typename Net::network_type>::indexed*>(nullptr)))::type;

}  // namespace firecaffe
