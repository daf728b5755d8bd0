#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dropout.hpp"
#include "../layers/losses.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

// A convolution with weights of the given standard deviation (in hundredths), and its ReLU. Biases learn twice as fast
// and do not decay.
template <int Outputs, int Hundredths, class... Options>
using gaussian_conv = chain<conv<Outputs, Options..., weight_filler<gaussian<ratio<Hundredths, 100>>>,
                                 bias_lr_mult<ratio<2>>, bias_decay_mult<ratio<0>>>,
                            relu>;

// A convolution and two cascaded cross-channel pooling layers, which are convolutions of one pixel.
template <int Outputs, int Hundredths, class... Options>
using mlp_conv = chain<gaussian_conv<Outputs, Hundredths, Options...>, gaussian_conv<Outputs, 5, kernel<1>>,
                       gaussian_conv<Outputs, 5, kernel<1>>>;

// Network in Network (Lin, Chen and Yan, arXiv 1312.4400) for ImageNet, as in Caffe's model zoo: 7,595,176 parameters.
// Inputs are 224 x 224 crops, the mean subtracted.
struct nin : network<input<3, 224, 224>,                                    //
                     mlp_conv<96, 1, kernel<11>, stride<4>>,                // 96 x 54 x 54
                     max_pool<kernel<3>, stride<2>, ceil_mode>,             // 96 x 27 x 27
                     mlp_conv<256, 5, kernel<5>, pad<2>>,                   // 256 x 27 x 27
                     max_pool<kernel<3>, stride<2>, ceil_mode>,             // 256 x 13 x 13
                     mlp_conv<384, 1, kernel<3>, pad<1>>,                   // 384 x 13 x 13
                     max_pool<kernel<3>, stride<2>, ceil_mode>, dropout<>,  // 384 x 6 x 6
                     gaussian_conv<1024, 5, kernel<3>, pad<1>>,             // 1024 x 6 x 6
                     gaussian_conv<1024, 5, kernel<1>>,                     //
                     gaussian_conv<1000, 1, kernel<1>>,                     // 1000 x 6 x 6
                     avg_pool<global>, accuracy<1>, accuracy<5>, softmax_loss> {};

}  // namespace firecaffe::zoo
