// expect: pad must be smaller than the kernel
// expect: check<0, *(firecaffe::)?max_pool<.*kernel<2(, 2)?>.*pad<2(, 2)?> *>, *3, *8, *8,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::max_pool<fc::kernel<2>, fc::pad<2>>> {};
static_assert(fc::parameter_count<net> > 0);
