#pragma once

#include "../core/filler.hpp"
#include "../core/shape.hpp"

namespace firecaffe {

// The per-sample shape of what goes in: (C, H, W); a vector is input<C>.
template <int Channels, int Height = 1, int Width = 1>
struct input {
  static constexpr shape extents{Channels, Height, Width};
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
