#pragma once

#include <firecaffe/layers/lrn.hpp>
#include <firecaffe/network/network.hpp>

// A network without the layers of one family: without<fc::lrn, fc::zoo::alexnet::network_type>.
template <template <class...> class Layer, class Node>
struct taken_out {
  using type = Node;
};
template <template <class...> class Layer, class... Options>
struct taken_out<Layer, Layer<Options...>> {
  using type = firecaffe::identity;
};
template <template <class...> class Layer, template <class...> class Combinator, class... Nodes>
requires(!firecaffe::layer<Combinator<Nodes...>>) struct taken_out<Layer, Combinator<Nodes...>> {
  using type = Combinator<typename taken_out<Layer, Nodes>::type...>;
};

template <template <class...> class Layer, class Network>
using without = typename taken_out<Layer, Network>::type;
