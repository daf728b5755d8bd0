// expect: an option does not apply to this layer
// expect: dense<10, .*kernel<3(, 3)?> *>
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::dense<10, fc::kernel<3>>> {};
static_assert(fc::parameter_count<net> > 0);
