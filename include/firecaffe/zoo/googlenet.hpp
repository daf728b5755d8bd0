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

// A convolution and its ReLU. Biases start at 0.2, learn twice as fast as weights and do not decay.
template <int Outputs, class... Options>
using conv_unit = chain<
    conv<Outputs, Options..., bias_filler<constant<ratio<1, 5>>>, bias_lr_mult<ratio<2>>, bias_decay_mult<ratio<0>>>,
    relu>;

// One line of the paper's table 1: 1 x 1; 3 x 3 behind its reduction; 5 x 5 behind its reduction; the pool's
// projection.
template <int Outputs1, int Reduce3, int Outputs3, int Reduce5, int Outputs5, int PoolProjection>
using inception = concat<conv_unit<Outputs1, kernel<1>>,  //
                         chain<conv_unit<Reduce3, kernel<1>>, conv_unit<Outputs3, kernel<3>, pad<1>>>,
                         chain<conv_unit<Reduce5, kernel<1>>, conv_unit<Outputs5, kernel<5>, pad<2>>>,
                         chain<max_pool<kernel<3>, pad<1>>, conv_unit<PoolProjection, kernel<1>>>>;

template <int Outputs, class... Options>
using dense_unit = dense<Outputs, Options..., bias_lr_mult<ratio<2>>, bias_decay_mult<ratio<0>>>;

// A classifier at the side, dropped when the network is applied; its loss counts 0.3.
using googlenet_head = tap<ratio<3, 10>, avg_pool<kernel<5>, stride<3>, ceil_mode>, conv_unit<128, kernel<1>>,
                           dense_unit<1024, bias_filler<constant<ratio<1, 5>>>>, relu, dropout<ratio<7, 10>>,
                           dense_unit<1000>, softmax_loss>;

using googlenet_norm = lrn<alpha<ratio<1, 10000>>>;

template <class Head>
using googlenet_with =
    network<input<3, 224, 224>,                                                           //
            conv_unit<64, kernel<7>, stride<2>, pad<3>>,                                  // 64 x 112 x 112
            max_pool<kernel<3>, stride<2>, ceil_mode>, googlenet_norm,                    // 64 x 56 x 56
            conv_unit<64, kernel<1>>, conv_unit<192, kernel<3>, pad<1>>, googlenet_norm,  // 192 x 56 x 56
            max_pool<kernel<3>, stride<2>, ceil_mode>,                                    // 192 x 28 x 28
            inception<64, 96, 128, 16, 32, 32>,                                           // 3a: 256
            inception<128, 128, 192, 32, 96, 64>,                                         // 3b: 480
            max_pool<kernel<3>, stride<2>, ceil_mode>,                                    // 480 x 14 x 14
            inception<192, 96, 208, 16, 48, 64>, Head,                                    // 4a: 512
            inception<160, 112, 224, 24, 64, 64>,                                         // 4b: 512
            inception<128, 128, 256, 24, 64, 64>,                                         // 4c: 512
            inception<112, 144, 288, 32, 64, 64>, Head,                                   // 4d: 528
            inception<256, 160, 320, 32, 128, 128>,                                       // 4e: 832
            max_pool<kernel<3>, stride<2>, ceil_mode>,                                    // 832 x 7 x 7
            inception<256, 160, 320, 32, 128, 128>,                                       // 5a: 832
            inception<384, 192, 384, 48, 128, 128>,                                       // 5b: 1024
            avg_pool<global>, dropout<ratio<2, 5>>, dense_unit<1000>, accuracy<1>, accuracy<5>, softmax_loss>;

// GoogLeNet (Szegedy et al., arXiv 1409.4842) as in Caffe's model zoo, with both auxiliary classifiers: 13,378,280
// parameters. Inputs are 224 x 224 crops, the mean subtracted.
struct googlenet : googlenet_with<googlenet_head> {};

// The network that is left when it is applied: 6,998,552 parameters.
struct googlenet_plain : googlenet_with<identity> {};

}  // namespace firecaffe::zoo
