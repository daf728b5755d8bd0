// expect: groups must divide the channels
// expect: check<1, *(firecaffe::)?conv<9, .*groups<3> *>, *10, *8, *8,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::conv<10, fc::kernel<1>>, fc::conv<9, fc::kernel<1>, fc::groups<3>>> {};
static_assert(fc::parameter_count<net> > 0);
