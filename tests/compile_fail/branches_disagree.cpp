// expect: end in different shapes
// expect: check<2, *(firecaffe::)?concat_or_sum, *8, *6, *6,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::concat<fc::conv<4, fc::kernel<1>>, fc::conv<8, fc::kernel<3>>>> {};
static_assert(fc::parameter_count<net> > 0);
