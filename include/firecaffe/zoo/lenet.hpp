#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "../layers/losses.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

// LeNet as Caffe trains it on MNIST, after LeCun et al., "Gradient-based learning applied to document recognition"
// (1998). Inputs are pixels / 256; 431,080 parameters.
struct lenet : network<input<1, 28, 28>,                                     //
                       conv<20, kernel<5>>, max_pool<kernel<2>, stride<2>>,  // 20 x 12 x 12
                       conv<50, kernel<5>>, max_pool<kernel<2>, stride<2>>,  // 50 x 4 x 4
                       dense<500>, relu,                                     //
                       dense<10>, accuracy<1>, softmax_loss> {};

}  // namespace firecaffe::zoo
