#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "../layers/dropout.hpp"
#include "../layers/losses.hpp"
#include "../layers/lrn.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

// Biases start at Bias, learn twice as fast as weights and do not decay.
template <int Outputs, class Bias, class... Options>
using alexnet_conv = chain<conv<Outputs, Options..., weight_filler<gaussian<ratio<1, 100>>>,
                                bias_filler<constant<Bias>>, bias_lr_mult<ratio<2>>, bias_decay_mult<ratio<0>>>,
                           relu>;

template <int Outputs, class Deviation, class Bias>
using alexnet_dense = dense<Outputs, weight_filler<gaussian<Deviation>>, bias_filler<constant<Bias>>,
                            bias_lr_mult<ratio<2>>, bias_decay_mult<ratio<0>>>;

using alexnet_hidden = chain<alexnet_dense<4096, ratio<1, 200>, ratio<1, 10>>, relu, dropout<>>;

using alexnet_norm = lrn<alpha<ratio<1, 10000>>>;

using alexnet_pool = max_pool<kernel<3>, stride<2>, ceil_mode>;

// The second, fourth and fifth convolution are cut into Groups.
template <int Groups>
using alexnet_with =
    network<input<3, 227, 227>,                                                             //
            alexnet_conv<96, ratio<0>, kernel<11>, stride<4>>, alexnet_norm, alexnet_pool,  // 96 x 27 x 27
            alexnet_conv<256, ratio<1, 10>, kernel<5>, pad<2>, groups<Groups>>, alexnet_norm,
            alexnet_pool,                                                                      // 256 x 13 x 13
            alexnet_conv<384, ratio<0>, kernel<3>, pad<1>>,                                    // 384 x 13 x 13
            alexnet_conv<384, ratio<1, 10>, kernel<3>, pad<1>, groups<Groups>>,                // 384 x 13 x 13
            alexnet_conv<256, ratio<1, 10>, kernel<3>, pad<1>, groups<Groups>>, alexnet_pool,  // 256 x 6 x 6
            alexnet_hidden, alexnet_hidden, alexnet_dense<1000, ratio<1, 100>, ratio<0>>,      //
            accuracy<1>, accuracy<5>, softmax_loss>;

// AlexNet (Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NIPS
// 2012) with the two halves that the paper puts on two GPUs, as in Caffe's model zoo (bvlc_alexnet): 60,965,224
// parameters. Inputs are 227 x 227 crops, the mean subtracted.
struct bvlc_alexnet : alexnet_with<2> {};

// The same in one piece: 62,378,344 parameters.
struct alexnet : alexnet_with<1> {};

}  // namespace firecaffe::zoo
