#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "../layers/dropout.hpp"
#include "../layers/losses.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

template <int Outputs>
using vgg_conv = chain<conv<Outputs, kernel<3>, pad<1>>, relu>;

// Convolutions of one size and the pooling that halves it.
template <int... Outputs>
using vgg_stage = chain<vgg_conv<Outputs>..., max_pool<kernel<2>, stride<2>>>;

template <class... Stages>
using vgg_with = network<input<3, 224, 224>, Stages...,  //
                         dense<4096>, relu, dropout<>,   //
                         dense<4096>, relu, dropout<>,   //
                         dense<1000>, accuracy<1>, accuracy<5>, softmax_loss>;

// The networks of Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition" (arXiv
// 1409.1556), with 16 layers (configuration D): 138,357,544 parameters. Weights start as Glorot and Bengio's, which the
// paper found to make its training in stages needless. Inputs are 224 x 224 crops, the mean subtracted.
struct vgg16 : vgg_with<vgg_stage<64, 64>,             // 64 x 112 x 112
                        vgg_stage<128, 128>,           // 128 x 56 x 56
                        vgg_stage<256, 256, 256>,      // 256 x 28 x 28
                        vgg_stage<512, 512, 512>,      // 512 x 14 x 14
                        vgg_stage<512, 512, 512>> {};  // 512 x 7 x 7

// With 19 layers (configuration E): 143,667,240 parameters.
struct vgg19 : vgg_with<vgg_stage<64, 64>,                  // 64 x 112 x 112
                        vgg_stage<128, 128>,                // 128 x 56 x 56
                        vgg_stage<256, 256, 256, 256>,      // 256 x 28 x 28
                        vgg_stage<512, 512, 512, 512>,      // 512 x 14 x 14
                        vgg_stage<512, 512, 512, 512>> {};  // 512 x 7 x 7

}  // namespace firecaffe::zoo
