// A cube that fits the plane of its input, and not its depth: the message says C, D, H, W.
// expect: the kernel is larger than its padded input
// expect: check<2, *(firecaffe::)?conv<4, *(firecaffe::)?kernel<3> *>, *8, *2, *6, *7,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 4, 8, 9>, fc::conv<8, fc::kernel<3>>, fc::relu, fc::conv<4, fc::kernel<3>>> {};
static_assert(fc::parameter_count<net> > 0);
