#pragma once

#include "../core/filler.hpp"
#include "../core/shape.hpp"

namespace firecaffe {

// The per-sample shape of what goes in: input<C>, a vector; input<C, H, W>, images; input<C, D, H, W>, volumes. Data in
// one dimension are input<C, 1, L>, and the layers behind it take kernel<1, K>, stride<1, S>, pad<0, P>.
template <int Channels, int... Extents>
struct input {
  static_assert(sizeof...(Extents) == 0 || sizeof...(Extents) == 2 || sizeof...(Extents) == 3,
                "input takes <C>, <C, H, W> or <C, D, H, W>; data in one dimension are <C, 1, L>");
  static constexpr shape extents = [] {
    constexpr int n = int(sizeof...(Extents));
    const int list[] = {1, 1, 1, Extents...};  // the last three are D, H, W
    return shape{Channels, list[n + 1], list[n + 2], n == 3 ? list[n] : 1};
  }();
};

// A network is a type:
//   struct lenet : fc::network<fc::input<1, 28, 28>, fc::conv<20, fc::kernel<5>>, ..., fc::softmax_loss> {};
// A named struct that derives from it keeps messages and symbols short. Graphs are series-parallel; combinators nest.
template <class Input, class... Nodes>
struct network {
  using network_type = network;
};

// One after the other.
template <class... Nodes>
struct chain {};

// Every branch takes the same input; the results are stacked along the channels. No copy is made where the device can
// let branches write into slices of the whole.
template <class... Branches>
struct concat {};

// Every branch takes the same input; the results are added. A residual connection is sum<chain<...>, identity>.
template <class... Branches>
struct sum {};

// A side head: its nodes, which end in a loss, see the value at this place and the loss counts with `Weight`; the value
// itself passes on. The auxiliary classifiers of GoogLeNet are tap<ratio<3, 10>, ...>.
template <class Weight, class... Nodes>
struct tap {};

}  // namespace firecaffe
