// expect: data in one dimension are <C, 1, L>
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 40>, fc::dense<2>> {};
static_assert(fc::parameter_count<net> > 0);
