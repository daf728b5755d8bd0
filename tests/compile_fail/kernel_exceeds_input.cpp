// expect: the kernel is larger than its padded input
// expect: check<2, *(firecaffe::)?conv<4, *(firecaffe::)?kernel<7(, 7)?> *>, *8, *6, *6,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::conv<8, fc::kernel<3>>, fc::relu, fc::conv<4, fc::kernel<7>>> {};
static_assert(fc::parameter_count<net> > 0);
