// expect: local_size must be odd
// expect: lrn<.*local_size<4>.*>
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/lrn.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<8, 3, 3>, fc::lrn<fc::local_size<4>>> {};
static_assert(fc::flops<net> > 0);
