// expect: the last window lies beyond the input
// expect: check<0, *(firecaffe::)?max_pool<.*kernel<1>.*stride<3>.*ceil_mode *>, *3, *8, *8,
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::max_pool<fc::kernel<1>, fc::stride<3>, fc::ceil_mode>> {};
static_assert(fc::parameter_count<net> > 0);
