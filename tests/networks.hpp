#pragma once

#include "firecaffe/layers/activations.hpp"
#include "firecaffe/layers/batch_norm.hpp"
#include "firecaffe/layers/conv.hpp"
#include "firecaffe/layers/dense.hpp"
#include "firecaffe/layers/dropout.hpp"
#include "firecaffe/layers/hinge_loss.hpp"
#include "firecaffe/layers/losses.hpp"
#include "firecaffe/layers/lrn.hpp"
#include "firecaffe/layers/lrn_within.hpp"
#include "firecaffe/layers/pool.hpp"
#include "firecaffe/layers/prelu.hpp"
#include "firecaffe/layers/scale.hpp"
#include "firecaffe/layers/sigmoid_cross_entropy_loss.hpp"
#include "firecaffe/layers/softmax.hpp"
#include "firecaffe/network/network.hpp"

// Networks that between them have every layer, option and combinator in awkward places.
namespace networks {

using namespace firecaffe;
template <int N>
using half = ratio<1, N>;

// Convolutions with every option; channels that fill blocks and that do not; with, without and before a ReLU.
struct convolutions
    : network<input<3, 11, 9>,                                                               //
              conv<20, kernel<3>, stride<2>, pad<1>, bias_filler<constant<half<8>>>>, relu,  // 20 x 6 x 5
              conv<16, kernel<3, 5>, pad<1, 2>, groups<2>, no_bias>,                         // 16 x 6 x 5
              conv<24, kernel<3>, dilation<2>, pad<2>>, relu, dropout<ratio<1, 4>>,          // 24 x 6 x 5
              conv<24, kernel<3>, pad<1>, groups<24>>, sigmoid,                              // depthwise
              conv<6, kernel<1, 2>, stride<1, 2>, dilation<1, 3>, no_bias>, relu,            // 6 x 6 x 1
              conv<32, kernel<2, 1>, groups<2>>, firecaffe::tanh, dense<5>, softmax_loss> {};

// Plain convolutions of few channels: the kernels for narrow layers.
struct narrow_convolutions
    : network<input<1, 14, 13>,                                    //
              conv<5, kernel<5>>, max_pool<kernel<2>, stride<2>>,  // 5 x 5 x 4
              conv<3, kernel<2>>, relu,                            // 3 x 4 x 3
              conv<20, kernel<2>>, leaky_relu<>,                   // 20 x 3 x 2
              conv<18, kernel<2, 1>, no_bias>, relu, dense<7>, elu<>, dense<4, no_bias>, softmax_loss> {};

// 3 x 3 convolutions wide enough for Winograd's algorithm: planes that its tiles do not divide, channels that do not
// fill blocks, slices written and read, gradients added to.
struct wide_convolutions : network<input<32, 10, 11>, conv<35, kernel<3>, pad<1>, no_bias>,
                                   concat<chain<conv<32, kernel<3>, pad<1>>, relu>, conv<16, kernel<1>>>,
                                   tap<half<2>, conv<32, kernel<3>, pad<1>>, avg_pool<global>, dense<3>, softmax_loss>,
                                   conv<33, kernel<3>, pad<1>>, sigmoid, avg_pool<global>, dense<3>, softmax_loss> {};

// Each head pools the same value: its gradient is added to eight times.
template <class... Pool>
struct pooling : network<input<10, 9, 8>, conv<10, kernel<1>>, tap<half<2>, Pool, dense<3>, softmax_loss>..., dense<4>,
                         euclidean_loss> {};
struct pools : pooling<max_pool<kernel<2>, stride<2>>, max_pool<kernel<3>, stride<2>, pad<1>, ceil_mode>,
                       max_pool<kernel<3, 2>, stride<1, 3>>, max_pool<global>, avg_pool<kernel<3>, stride<2>, pad<1>>,
                       avg_pool<kernel<4, 3>, stride<3>, ceil_mode>, avg_pool<kernel<3>, stride<2>, pad<2>, ceil_mode>,
                       avg_pool<global>> {};

// Windows in a row, whose gradients are written and not added.
struct pools_in_a_row
    : network<input<10, 16, 15>, max_pool<kernel<3>, stride<2>, ceil_mode>, relu,
              avg_pool<kernel<2>, stride<2>, pad<1>>, conv<11, kernel<1>>, max_pool<kernel<2>>, avg_pool<global>,
              dense<4>, dropout<>, dense<3>, accuracy<1>, accuracy<2>, softmax_loss> {};

// Windows of more elements than a byte counts.
struct wide_pools
    : network<input<10, 18, 17>, conv<12, kernel<2>>, tap<half<2>, relu, max_pool<kernel<16>>, dense<3>, softmax_loss>,
              max_pool<global>, dense<3>, softmax_loss> {};

// ReLUs that go behind the pooling after them: behind a convolution, a normalisation, a sum, a dense layer and
// nothing; of images, slices and padding, into one, added to. Others stay: read twice, before a mean, another function.
struct rectified_pools
    : network<input<3, 17, 16>, relu, max_pool<kernel<2>>, conv<10, kernel<2>>, relu, max_pool<kernel<2>, stride<2>>,
              conv<16, kernel<3>, pad<1>, no_bias>, batch_norm<>, relu, max_pool<kernel<3>, pad<1>>,  //
              sum<conv<16, kernel<1>>, identity>, relu, max_pool<kernel<3>, stride<2>, ceil_mode>, relu,
              concat<chain<conv<16, kernel<1>>, relu, max_pool<kernel<3>, pad<1>>>, chain<relu, max_pool<kernel<1>>>>,
              tap<half<2>, relu, max_pool<global>, dense<3>, softmax_loss>, relu,
              tap<half<2>, max_pool<global>, dense<3>, softmax_loss>, max_pool<kernel<2>>, conv<9, kernel<1>>, relu,
              avg_pool<kernel<2>, pad<1>>, conv<9, kernel<1>>, sigmoid, max_pool<kernel<2>>, dense<9>, relu,
              max_pool<kernel<1>>, dense<3>, softmax_loss> {};

// Windows within a block and across several, wider than all channels and of one; channels that fill blocks, that do
// not, and of an image; a gradient that is written and ones that are added; slices; every way to take the power.
struct normalisations
    : network<input<3, 5, 4>, lrn<>, conv<16, kernel<2>>, lrn<alpha<ratio<3>>, local_size<3>>, conv<24, kernel<1>>,
              tap<half<2>, lrn<beta<ratio<2, 3>>, alpha<ratio<5>>>, dense<3>, softmax_loss>,
              tap<half<2>, lrn<local_size<1>, beta<half<2>>>, dense<3>, euclidean_loss>,
              concat<chain<conv<16, kernel<1>>, lrn<local_size<7>, beta<ratio<5, 4>>>>,
                     chain<lrn<offset<half<4>>, beta<ratio<1>>>, conv<16, kernel<1>>>>,
              lrn<local_size<35>, alpha<ratio<40>>, offset<ratio<2>>>, conv<21, kernel<1>>, relu,
              lrn<local_size<9>, alpha<ratio<-1, -2>>, beta<ratio<7, 4>>>, dense<3>, euclidean_loss> {};

// Whose slope is not finite where padding lies.
struct steep_at_zero : pointwise_layer {
  static constexpr const char* name = "steep_at_zero";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x;
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return T(1) / T(y != T(0));
  }
};
struct steep_slopes : network<input<3, 4, 4>, conv<6, kernel<2>>, steep_at_zero, conv<7, kernel<1>, no_bias>,
                              batch_norm<>, steep_at_zero, dense<5>, steep_at_zero, dense<3>, softmax_loss> {};

// Channels that fill blocks, that do not, and of an image whose pixels fill vectors or do not; behind it a ReLU,
// another activation or nothing; groups that divide the batch and that do not; slices, gradients that are added.
struct batch_normalisations
    : network<input<3, 4, 4>, batch_norm<>, conv<20, kernel<2>>, batch_norm<bias_filler<constant<half<4>>>>, relu,  //
              conv<16, kernel<1>>, batch_norm<no_affine, epsilon<ratio<1, 100>>>, relu,                             //
              tap<half<2>, batch_norm<grain<2>>, dense<3>, softmax_loss>,
              tap<half<2>, batch_norm<grain<1>>, relu, dense<3>, euclidean_loss>,
              concat<chain<conv<16, kernel<1>>, batch_norm<grain<3>>, relu>,
                     chain<batch_norm<no_affine>, conv<16, kernel<1>>>, batch_norm<>>,
              conv<2, kernel<1>, no_bias>, batch_norm<>, firecaffe::tanh, dense<3>, euclidean_loss> {};

// Of images whose pixels a device shares among many: all in one group, in groups of which the last is short, of one.
struct large_batch_normalisations
    : network<input<3, 48, 40>, batch_norm<>, conv<37, kernel<1>>, batch_norm<grain<2>>, relu,  //
              batch_norm<grain<1>>, conv<4, kernel<1>>, batch_norm<>, relu, avg_pool<kernel<8>, stride<8>>, dense<3>,
              softmax_loss> {};

// Numbers for each channel: of blocks that they fill or not and of an image; in place, sliced, added to, shared.
struct channelwise_layers
    : network<
          input<3, 4, 4>, prelu<>, conv<20, kernel<2>>, scale<with_bias, bias_filler<constant<half<4>>>>, bias<>,
          prelu<weight_filler<constant<half<3>>>>, conv<16, kernel<1>>, bias<bias_filler<constant<half<2>>>>, relu,
          tap<half<2>, scale<>, prelu<shared_slope>, dense<3>, softmax_loss>,
          concat<chain<conv<16, kernel<1>>, scale<>>, chain<prelu<shared_slope>, conv<16, kernel<1>>, bias<>>, bias<>>,
          conv<2, kernel<3>>, scale<with_bias>, bias<>, dense<19>, scale<>, prelu<>, bias<>, dense<3>, euclidean_loss> {
};

// Windows that hang over on all sides, larger than the plane and of one pixel; over padding, sliced, added to.
struct normalisations_within
    : network<input<3, 5, 4>, lrn_within<>, conv<16, kernel<2>>, lrn_within<alpha<ratio<3>>, local_size<3>>,
              conv<24, kernel<1>>, tap<half<2>, lrn_within<beta<ratio<2, 3>>, alpha<ratio<5>>>, dense<3>, softmax_loss>,
              concat<chain<conv<16, kernel<1>>, lrn_within<local_size<1>>>,
                     chain<lrn_within<local_size<9>>, conv<16, kernel<1>>>>,
              conv<21, kernel<1>>, relu, lrn_within<local_size<3>, alpha<ratio<9>>>, dense<3>, euclidean_loss> {};

// Losses side by side, their input's gradients added up.
struct hinges : network<input<4>, dense<11>, tap<half<2>, hinge_loss<>>, tap<half<3>, hinge_loss<squared>>, relu,
                        dense<5>, hinge_loss<squared>> {};
struct cross_entropies : network<input<3, 4, 3>, conv<9, kernel<2>>, tap<half<2>, sigmoid_cross_entropy_loss>,
                                 tap<half<2>, euclidean_loss>, sigmoid_cross_entropy_loss> {};

// Every activation behind a dense layer, behind one without a bias, and behind none.
struct activations : network<input<6>, sigmoid, dense<9>, relu, dense<10, no_bias>, leaky_relu<ratio<1, 5>>, dense<8>,
                             elu<ratio<1, 2>>, dense<8>, sigmoid, sigmoid, dense<7>, firecaffe::tanh, dense<5>, elu<>,
                             leaky_relu<>, dropout<ratio<1, 3>>, dense<6>, relu, dense<3>, euclidean_loss> {};

// Those whose slope is that of the result and those that need the input: behind a dense layer and a convolution, twice,
// sliced, added to, over padding.
struct smooth_activations
    : network<input<3, 4, 3>, gelu, conv<9, kernel<2>>, swish, softplus, conv<16, kernel<1>>, gelu, gelu,
              tap<half<2>, swish, dense<3>, softmax_loss>, tap<half<3>, softplus, dense<3>, softmax_loss>,
              concat<chain<conv<16, kernel<1>>, swish>, gelu, softplus>, dense<9>, softplus, dense<7>, swish, dense<5>,
              gelu, dropout<>, dense<3>, euclidean_loss> {};

// Over images, slices and vectors; in place and not.
struct softmaxes
    : network<input<3, 4, 3>, softmax, conv<20, kernel<2>>, tap<half<2>, softmax, dense<3>, softmax_loss>, softmax,
              conv<16, kernel<1>>, tap<half<2>, softmax, dense<3>, softmax_loss>,
              concat<chain<conv<16, kernel<1>>, softmax>, softmax>, dense<9>, softmax, dense<3>, euclidean_loss> {};

// Images as targets; dropout first; a sigmoid, which does not keep padding zero by itself, between blocks that have
// some.
struct images
    : network<input<3, 5, 4>, dropout<half<5>>, conv<9, kernel<3>, pad<1>>, sigmoid, conv<10, kernel<3>, pad<1>>,
              firecaffe::tanh, conv<2, kernel<3>, pad<1>>, sigmoid, euclidean_loss> {};

template <int A, int B, int C, int D>
using inception =
    concat<chain<conv<A, kernel<1>>, relu>, chain<conv<4, kernel<1>>, relu, conv<B, kernel<3>, pad<1>>, relu>,
           chain<conv<5, kernel<1>>, relu, conv<C, kernel<5>, pad<2>>, relu>,
           chain<max_pool<kernel<3>, pad<1>>, conv<D, kernel<1>>, relu>>;

// Branches that fill whole blocks, twice; then branches that do not.
struct inceptions : network<input<16, 6, 5>, conv<16, kernel<3>, pad<1>>, relu, inception<16, 32, 16, 16>,
                            inception<16, 16, 16, 32>, max_pool<kernel<2>, stride<2>>, inception<7, 3, 16, 10>,
                            avg_pool<global>, dropout<ratio<2, 5>>, dense<5>, softmax_loss> {};

// Residuals, sums of one and of the same value, concats of the same value at places that fit a block and that do not,
// nested combinators, values read three times.
struct joins
    : network<input<8, 4, 3>, conv<16, kernel<3>, pad<1>>, sum<chain<relu, conv<16, kernel<3>, pad<1>>>, identity>,
              relu, sum<identity, identity>, sum<conv<16, kernel<1>>>,
              concat<identity, chain<conv<4, kernel<1>>, relu>, identity>,
              sum<identity, conv<36, kernel<1>>, dropout<half<3>>>,
              concat<sum<conv<5, kernel<1>>, chain<conv<5, kernel<1>>, firecaffe::tanh>>,
                     concat<chain<avg_pool<kernel<3>, pad<1>>, conv<3, kernel<1>>>, concat<conv<8, kernel<1>>>>>,
              // identity: first at a channel that does not fit a block, then at one that does
              concat<conv<4, kernel<1>>, identity, conv<12, kernel<1>>, identity, chain<relu, sigmoid>>, relu, dense<6>,
              concat<dense<5>, identity, chain<dense<8>, relu>>, dense<3>, softmax_loss> {};

// Sums that lie where the first, the second or none of their operands did, of which some do not give way; behind them
// an activation, none, or one of several that read the sum; in a slice, and of slices.
struct residuals
    : network<input<3, 5, 4>, conv<16, kernel<3>, pad<1>>, relu,
              sum<chain<conv<16, kernel<1>, no_bias>, batch_norm<>>, identity>, relu,  //
              sum<chain<conv<16, kernel<1>>, relu>, conv<16, kernel<1>>>, firecaffe::tanh,
              sum<chain<conv<16, kernel<3>, pad<1>>, dropout<half<3>>>, chain<conv<16, kernel<1>>, sigmoid>, identity>,
              sigmoid, tap<half<2>, dense<3>, softmax_loss>,  //
              sum<conv<16, kernel<1>>, identity>, tap<half<2>, relu, dense<3>, softmax_loss>, relu,
              concat<chain<sum<conv<16, kernel<1>>, identity>, relu>, sum<identity, conv<16, kernel<1>>, batch_norm<>>>,
              sum<concat<conv<16, kernel<1>>, conv<16, kernel<1>>>, conv<32, kernel<1>>>, elu<>, conv<8, kernel<1>>,
              sum<identity, identity>, relu, conv<8, kernel<1>>, sum<identity, identity, identity>,
              sum<conv<8, kernel<1>>>, dense<3>, softmax_loss> {};

// Sums that a normalisation takes along, as their first or second operand: with a ReLU, another activation, none, and
// one of several that read the sum; that lie in the other operand's place, or pass it its gradient by writing or
// adding; of images and over padding.
template <int Outputs, class... Options>
using normed = chain<conv<Outputs, kernel<1>, no_bias>, batch_norm<Options...>>;
struct normalised_sums
    : network<input<3, 5, 4>, sum<batch_norm<>, conv<3, kernel<1>>>, relu, conv<20, kernel<3>, pad<1>>, relu,
              sum<normed<20>, identity>, relu, sum<normed<20, grain<2>>, conv<20, kernel<1>>>, relu,
              sum<conv<20, kernel<1>>, normed<20, no_affine>>, relu, sum<normed<20, grain<3>>, normed<20>>,
              sum<normed<20>, identity>, firecaffe::tanh, sum<identity, normed<20>>,
              tap<half<2>, relu, dense<3>, softmax_loss>, relu, dense<3>, softmax_loss> {};

// More of them: before an activation whose slope at zero is infinite, beside an operand that is read again later, with
// a slice as operand or result. Last, sums that no normalisation takes along: of its own input, of three, of one value
// twice.
struct more_normalised_sums
    : network<input<16, 5, 4>, conv<16, kernel<1>>, relu,
              tap<half<2>, sum<normed<16>, identity>, relu, avg_pool<global>, dense<3>, softmax_loss>,
              conv<5, kernel<2>>, sum<conv<5, kernel<1>>, normed<5>>, steep_at_zero, conv<16, kernel<1>>,
              concat<sum<normed<16>, identity>, sum<conv<16, kernel<1>, no_bias>, batch_norm<>>>,
              sum<concat<conv<16, kernel<1>>, conv<16, kernel<1>>>, normed<32>>, relu, conv<16, kernel<1>, no_bias>,
              sum<identity, batch_norm<>>, relu, sum<normed<16>, identity, conv<16, kernel<1>>>,
              conv<16, kernel<1>, no_bias>, batch_norm<>, sum<identity, identity>, relu, dense<3>, softmax_loss> {};

// Concats with a concat in them, all in whole blocks: slices of slices. Dense layers read and write slices.
struct slices : network<input<16, 3, 3>,
                        concat<concat<conv<16, kernel<1>>, chain<conv<16, kernel<3>, pad<1>>, relu, dropout<>>>,
                               concat<identity, chain<conv<16, kernel<1>>, sigmoid>>>,
                        tap<half<2>, concat<chain<dense<16>, relu>, chain<max_pool<global>>>, dense<3>, softmax_loss>,
                        max_pool<kernel<2>>, dense<16>, concat<identity, chain<dense<32>, firecaffe::tanh>, dense<16>>,
                        dense<4>, euclidean_loss> {};

// Heads with losses of their own, nested heads, heads that end in a metric or in nothing, one at the end.
struct heads
    : network<input<3, 6, 6>, conv<9, kernel<3>>, tap<ratio<3, 10>, relu, dense<4>, softmax_loss>, relu,
              tap<half<2>, avg_pool<kernel<2>>, tap<half<4>, dense<5>, accuracy<2>, softmax_loss>, conv<4, kernel<2>>,
                  dense<3>, euclidean_loss>,
              tap<ratio<1>, conv<7, kernel<1>>, dense<5>>, tap<ratio<1>, dense<3>, accuracy<1>>,
              tap<ratio<-1, 3>, dense<3>, euclidean_loss>, max_pool<kernel<2>, stride<2>>, concat<identity, identity>,
              dense<6>, tap<ratio<2>, softmax_loss>, relu, tap<ratio<3, 2>, dense<3>, softmax_loss, accuracy<1>>> {};

}  // namespace networks
