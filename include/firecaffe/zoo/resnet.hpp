#pragma once

#include <utility>

#include "../layers/activations.hpp"
#include "../layers/batch_norm.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "../layers/losses.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

template <int Outputs, class... Options>
using norm_conv = chain<conv<Outputs, Options..., no_bias, weight_filler<msra>>, batch_norm<>>;

// What its path adds to what the shortcut leaves of the input.
template <class Shortcut, class... Path>
using residual = chain<sum<chain<Path...>, Shortcut>, relu>;

// Two layers, and the form of it that begins a stage: it halves the plane, its shortcut is a projection.
template <int Outputs>
using basic_block =
    residual<identity, norm_conv<Outputs, kernel<3>, pad<1>>, relu, norm_conv<Outputs, kernel<3>, pad<1>>>;

template <int Outputs>
using first_basic_block =
    residual<norm_conv<Outputs, kernel<1>, stride<2>>,  //
             norm_conv<Outputs, kernel<3>, pad<1>, stride<2>>, relu, norm_conv<Outputs, kernel<3>, pad<1>>>;

// Three layers: to fewer channels, across pixels, and back; and the form of it that begins a stage.
template <int Width>
using bottleneck = residual<identity, norm_conv<Width, kernel<1>>, relu,  //
                            norm_conv<Width, kernel<3>, pad<1>>, relu, norm_conv<4 * Width, kernel<1>>>;

template <int Width, int Stride>
using first_bottleneck = residual<norm_conv<4 * Width, kernel<1>, stride<Stride>>,  //
                                  norm_conv<Width, kernel<1>, stride<Stride>>, relu,
                                  norm_conv<Width, kernel<3>, pad<1>>, relu, norm_conv<4 * Width, kernel<1>>>;

template <int, class Node>
using nth = Node;
template <class Node, int... I>
chain<nth<I, Node>...> repeated(std::integer_sequence<int, I...>);
template <int Times, class Node>
using repeat = decltype(repeated<Node>(std::make_integer_sequence<int, Times>{}));

template <class... Blocks>
using resnet_with = network<input<3, 224, 224>,                                 //
                            norm_conv<64, kernel<7>, stride<2>, pad<3>>, relu,  // 64 x 112 x 112
                            max_pool<kernel<3>, stride<2>, ceil_mode>,          // 64 x 56 x 56
                            Blocks..., avg_pool<global>,                        //
                            dense<1000, weight_filler<msra>>, accuracy<1>, accuracy<5>, softmax_loss>;

// The residual networks of He et al., "Deep residual learning for image recognition" (arXiv 1512.03385), with 18
// layers: 11,689,512 parameters. Inputs are 224 x 224 crops, the mean subtracted. As in the authors' Caffe networks the
// first pooling rounds up and is not padded.
struct resnet18 : resnet_with<repeat<2, basic_block<64>>,                    // 64 x 56 x 56
                              first_basic_block<128>, basic_block<128>,      // 128 x 28 x 28
                              first_basic_block<256>, basic_block<256>,      // 256 x 14 x 14
                              first_basic_block<512>, basic_block<512>> {};  // 512 x 7 x 7

// With 50 layers: 25,557,032 parameters. Stages stride in their first 1 x 1 convolution, as in the paper; elsewhere
// they do in the 3 x 3 (and call it version 1.5).
struct resnet50 : resnet_with<first_bottleneck<64, 1>, repeat<2, bottleneck<64>>,        // 256 x 56 x 56
                              first_bottleneck<128, 2>, repeat<3, bottleneck<128>>,      // 512 x 28 x 28
                              first_bottleneck<256, 2>, repeat<5, bottleneck<256>>,      // 1024 x 14 x 14
                              first_bottleneck<512, 2>, repeat<2, bottleneck<512>>> {};  // 2048 x 7 x 7

}  // namespace firecaffe::zoo
