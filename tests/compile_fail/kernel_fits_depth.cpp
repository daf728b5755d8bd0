// The twins of kernel_exceeds_depth.cpp: two extents are a plane, and on planes one extent is a square.
// accept
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 4, 8, 9>, fc::conv<8, fc::kernel<3>>, fc::relu, fc::conv<4, fc::kernel<3, 3>>> {};
struct plane : fc::network<fc::input<3, 1, 8, 9>, fc::conv<8, fc::kernel<3>>> {};
static_assert(fc::parameter_count<net> > 0 && fc::parameter_count<plane> > 0);
