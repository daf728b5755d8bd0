// expect: all losses that compare values must have one shape
// expect: check<4, *(firecaffe::)?euclidean_loss, *5, *1, *1,
#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/parameters.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3, 8, 8>, fc::tap<fc::ratio<1>, fc::dense<4>, fc::euclidean_loss>, fc::relu,
                         fc::dense<5>, fc::euclidean_loss> {};
static_assert(fc::parameter_count<net> > 0);
