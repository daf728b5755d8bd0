// expect: this is neither a layer nor a combinator
// expect: node<not_a_layer>
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct not_a_layer {};
struct net : fc::network<fc::input<3, 8, 8>, fc::relu, not_a_layer> {};
static_assert(fc::parameter_count<net> > 0);
