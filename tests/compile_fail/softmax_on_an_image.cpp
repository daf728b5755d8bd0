// expect: put dense<N> or avg_pool<global> before it
// expect: check<1, *(firecaffe::)?softmax_loss, *10, *8, *8,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::conv<10, fc::kernel<1>>, fc::softmax_loss> {};
static_assert(fc::parameter_count<net> > 0);
