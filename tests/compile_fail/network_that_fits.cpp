// accept
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::conv<9, fc::kernel<3>, fc::groups<3>>, fc::relu,
                         fc::max_pool<fc::kernel<2>, fc::pad<1>>,
                         fc::concat<fc::conv<4, fc::kernel<1>>, fc::conv<8, fc::kernel<3>, fc::pad<1>>>, fc::dense<10>,
                         fc::softmax_loss> {};
static_assert(fc::parameter_count<net> > 0);
