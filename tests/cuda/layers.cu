#include "../networks.hpp"
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
  }
}

TEST_CASE("normalisation agrees with the reference") {
  for (std::uint64_t seed : {7, 8}) check_cuda_agreement<networks::normalisations>("normalisations", seed);
}

TEST_CASE("dense layers, activations and losses agree with the reference") {
  for (std::uint64_t seed : {5, 6}) {
    check_cuda_agreement<networks::activations>("activations", seed);
    check_cuda_agreement<networks::images>("images", seed);
  }
}
