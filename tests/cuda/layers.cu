#include "../networks.hpp"
#include "../volumes.hpp"
#include "agreement.hpp"

using namespace firecaffe;

// Convolutions whose channels and slices do not suit cuDNN as they lie.
struct awkward_convolutions
    : network<input<6, 7, 6>, conv<9, kernel<3>, pad<1>, groups<3>>, relu,           // no padding, odd channels
              conv<12, kernel<2>, groups<3>, no_bias>, sigmoid,                      // odd channels in, whole quads out
              concat<conv<3, kernel<1>, no_bias>, chain<conv<8, kernel<1>>, relu>>,  // copied
              concat<conv<8, kernel<1>, no_bias>, chain<conv<5, kernel<3>, pad<1>>, relu>>,  // slices, the last with
                                                                                             // padding
              tap<ratio<1, 2>, conv<3, kernel<6, 5>>, softmax_loss>,                         // one pixel
              conv<10, kernel<6, 5>>, dense<3>, euclidean_loss> {};

TEST_CASE("convolutions agree with the reference") {
  for (std::uint64_t seed : {1, 2}) {
    check_cuda_agreement<networks::convolutions>("convolutions", seed);
    check_cuda_agreement<networks::narrow_convolutions>("narrow_convolutions", seed);
    check_cuda_agreement<awkward_convolutions>("awkward_convolutions", seed);
  }
}

TEST_CASE("pooling agrees with the reference") {
  for (std::uint64_t seed : {3, 4}) {
    check_cuda_agreement<networks::pools>("pools", seed);
    check_cuda_agreement<networks::pools_in_a_row>("pools_in_a_row", seed);
    check_cuda_agreement<networks::wide_pools>("wide_pools", seed);
  }
}

TEST_CASE("transposed convolutions agree with the reference") {
  for (std::uint64_t seed : {9, 10}) check_cuda_agreement<networks::transposed>("transposed", seed);
}

TEST_CASE("normalisation agrees with the reference") {
  for (std::uint64_t seed : {7, 8}) {
    check_cuda_agreement<networks::normalisations>("normalisations", seed);
    check_cuda_agreement<networks::normalisations_within>("normalisations within channels", seed);
    check_cuda_agreement<networks::batch_normalisations>("batch normalisations", seed);
    check_cuda_agreement<networks::steep_slopes>("steep slopes", seed);
    check_cuda_agreement<networks::large_batch_normalisations>("large batch normalisations", seed);
  }
}

TEST_CASE("and in evaluation, going back") {
  cuda_agreement<networks::batch_normalisations> both(firecaffe::cuda{}, 5, 53);
  check_going_back_in_evaluation(both);
}

TEST_CASE("layers of numbers for each channel agree with the reference") {
  for (std::uint64_t seed : {11, 12}) check_cuda_agreement<networks::channelwise_layers>("channelwise layers", seed);
}

TEST_CASE("dense layers, activations and losses agree with the reference") {
  for (std::uint64_t seed : {5, 6}) {
    check_cuda_agreement<networks::activations>("activations", seed);
    check_cuda_agreement<networks::images>("images", seed);
    check_cuda_agreement<networks::smooth_activations>("smooth activations", seed);
    check_cuda_agreement<networks::softmaxes>("softmaxes", seed);
    check_cuda_agreement<networks::hinges>("hinges", seed);
    check_cuda_agreement<networks::cross_entropies>("cross entropies", seed);
  }
}
