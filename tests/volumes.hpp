#pragma once

#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/conv_transpose.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/dropout.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/network/network.hpp"

// Networks over volumes and over data in one dimension, with every option of what slides over them.
namespace networks {

using namespace firecaffe;

// Cubes, boxes and planes sliding over volumes, down to a depth of 1; slices, sums, groups that fill blocks and that do
// not, few channels in and out.
struct volume_convolutions
    : network<input<3, 5, 4, 6>, conv<9, kernel<3>, pad<1>>, relu, conv<16, kernel<3, 2, 3>, stride<2, 1, 2>>, relu,  //
              concat<conv<16, kernel<3>, pad<1>, groups<2>>, conv<16, kernel<1, 3>, pad<0, 1>>>,  // 32 x 2 x 3 x 2
              sum<identity, chain<conv<32, kernel<3>, pad<2>, dilation<2>>, relu>, conv<32, kernel<1>, no_bias>>,
              conv<32, kernel<2, 3, 2>, pad<1, 0, 1>, groups<32>>,                                     // 32 x 3 x 1 x 3
              conv<6, kernel<3>, pad<1>, groups<2>>, relu, conv<2, kernel<3, 1, 1>>, firecaffe::tanh,  // 2 x 1 x 1 x 3
              conv<10, kernel<1, 3>>, dense<4>, euclidean_loss> {};

// A plane that turns into a volume.
struct plane_and_volume : network<input<2, 5, 4>, conv<12, kernel<2, 3, 3>, pad<1, 1, 1>>, relu,  // 12 x 2 x 5 x 4
                                  conv<20, kernel<2>>, relu, conv<3, kernel<2>, stride<2>>, dense<3>, softmax_loss> {};

template <class... Pool>
struct volume_pooling : network<input<10, 5, 6, 7>, conv<20, kernel<1>>,
                                tap<ratio<1, 2>, Pool, dense<3>, softmax_loss>..., dense<4>, euclidean_loss> {};
struct volume_pools
    : volume_pooling<max_pool<kernel<2>, stride<2>>, max_pool<kernel<3>, stride<2>, pad<1>, ceil_mode>,
                     max_pool<kernel<3, 2, 1>, stride<1, 3, 2>>, max_pool<global>, max_pool<kernel<1, 2>, stride<1, 2>>,
                     avg_pool<kernel<3>, stride<2>, pad<1>>, avg_pool<kernel<4, 3, 2>, stride<3>, ceil_mode>,
                     avg_pool<kernel<3>, stride<2>, pad<2>, ceil_mode>, avg_pool<global>> {};

// Windows in a row, whose gradients are written and not added; few channels.
struct volume_pools_in_a_row
    : network<input<3, 8, 8, 8>, max_pool<kernel<2>, stride<2>>, conv<17, kernel<1>>, relu,
              max_pool<kernel<2>, stride<2>>, avg_pool<kernel<2>, pad<1>>, avg_pool<kernel<3, 3>, stride<1, 2>>,
              concat<max_pool<kernel<2, 1, 1>>, avg_pool<kernel<2, 1, 1>>>, dense<4>, softmax_loss> {};

// Signals: (C, 1, L).
struct signals : network<input<2, 1, 40>, conv<12, kernel<1, 5>, stride<1, 2>, pad<0, 2>>, relu,  // 12 x 1 x 20
                         conv<20, kernel<1, 3>, dilation<1, 3>, pad<0, 3>>, leaky_relu<>,
                         max_pool<kernel<1, 3>, stride<1, 2>, ceil_mode>, avg_pool<kernel<1, 2>, pad<0, 1>>,
                         conv<16, kernel<1, 4>, groups<4>>, relu, conv_transpose<7, kernel<1, 4>, stride<1, 2>>,
                         avg_pool<global>, dense<3>, softmax_loss> {};

// Transposed convolutions with every option.
struct transposed
    : network<input<3, 5, 4>, conv_transpose<20, kernel<3>, stride<2>, pad<1>>, relu,               // 20 x 9 x 7
              conv_transpose<16, kernel<3, 2>, groups<2>, no_bias>, sigmoid,                        // 16 x 11 x 8
              concat<conv_transpose<16, kernel<3>, pad<1>>, identity>,                              // 32 x 11 x 8
              sum<conv_transpose<32, kernel<3>, pad<1>, groups<32>>, identity>,                     // depthwise
              conv_transpose<32, kernel<2>, dilation<3>, pad<3>, groups<2>>, conv<5, kernel<3>>,    // 5 x 6 x 3
              conv_transpose<5, kernel<4>, stride<2>, pad<1>, groups<5>, weight_filler<bilinear>>,  //
              conv_transpose<6, kernel<1>>, conv_transpose<2, kernel<3>>, sigmoid, dense<3>, softmax_loss> {};

struct transposed_volumes
    : network<input<6, 1, 1>, conv_transpose<24, kernel<2, 3, 3>>, firecaffe::tanh,                // 24 x 2 x 3 x 3
              conv_transpose<16, kernel<4>, stride<2>, pad<1>>, relu,                              // 16 x 4 x 6 x 6
              sum<identity, conv_transpose<16, kernel<3>, pad<1>, no_bias>, conv<16, kernel<1>>>,  //
              concat<conv_transpose<16, kernel<1, 3>, pad<0, 1>, groups<4>>, identity>,            //
              conv_transpose<9, kernel<2>, pad<2>, dilation<2>>, elu<>, conv_transpose<3, kernel<3>, pad<1>, groups<3>>,
              sigmoid, conv_transpose<1, kernel<2>, stride<2>>, euclidean_loss> {};

}  // namespace networks
