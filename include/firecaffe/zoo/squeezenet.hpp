#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dropout.hpp"
#include "../layers/losses.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

template <int Outputs, class... Options>
using fire_conv = chain<conv<Outputs, Options...>, relu>;

// Squeezed to a few channels, then expanded by 1 x 1 and 3 x 3 convolutions, Expand each.
template <int Squeeze, int Expand>
using fire =
    chain<fire_conv<Squeeze, kernel<1>>, concat<fire_conv<Expand, kernel<1>>, fire_conv<Expand, kernel<3>, pad<1>>>>;

using squeezenet_pool = max_pool<kernel<3>, stride<2>, ceil_mode>;

// SqueezeNet 1.0 (Iandola et al., arXiv 1602.07360, table 1): 1,248,424 parameters. Fillers are those of the authors'
// Caffe network, and so are the inputs, 227 x 227 crops, the mean subtracted: of the table's 224 x 224 the first
// convolution would make 109 x 109, not its 111 x 111. The Caffe network pads the last convolution, which puts a border
// of biases around what is averaged; the table does not, nor does this.
struct squeezenet : network<input<3, 227, 227>,                                                  //
                            fire_conv<96, kernel<7>, stride<2>>, squeezenet_pool,                // 96 x 55 x 55
                            fire<16, 64>, fire<16, 64>, fire<32, 128>, squeezenet_pool,          // 256 x 27 x 27
                            fire<32, 128>, fire<48, 192>, fire<48, 192>, fire<64, 256>,          // 512 x 27 x 27
                            squeezenet_pool, fire<64, 256>, dropout<>,                           // 512 x 13 x 13
                            fire_conv<1000, kernel<1>, weight_filler<gaussian<ratio<1, 100>>>>,  // 1000 x 13 x 13
                            avg_pool<global>, accuracy<1>, accuracy<5>, softmax_loss> {};

}  // namespace firecaffe::zoo
