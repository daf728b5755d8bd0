#include "../networks.hpp"
#include "../volumes.hpp"
#include "agreement.hpp"

using namespace firecaffe;

TEST_CASE("convolutions and pooling with values of 8 bits agree with the reference") {
  check_cuda_agreement<networks::convolutions, cuda_bf16>("convolutions", 1);
  check_cuda_agreement<networks::narrow_convolutions, cuda_bf16>("narrow_convolutions", 1);
  check_cuda_agreement<networks::transposed, cuda_bf16>("transposed", 2);
  check_cuda_agreement<networks::pools, cuda_bf16>("pools", 3);
  check_cuda_agreement<networks::volume_convolutions, cuda_bf16>("volumes", 6);
}

TEST_CASE("normalisation") {
  check_cuda_agreement<networks::normalisations, cuda_bf16>("normalisations", 5);
  check_cuda_agreement<networks::normalisations_within, cuda_bf16>("normalisations within channels", 5);
  check_cuda_agreement<networks::batch_normalisations, cuda_bf16>("batch normalisations", 6, 1e-2);
  check_cuda_agreement<networks::large_batch_normalisations, cuda_bf16>("large batch normalisations", 7);
  check_cuda_agreement<networks::channelwise_layers, cuda_bf16>("channelwise layers", 7);
}

TEST_CASE("dense layers, activations and losses") {
  check_cuda_agreement<networks::activations, cuda_bf16>("activations", 8);
  check_cuda_agreement<networks::images, cuda_bf16>("images", 8);
  check_cuda_agreement<networks::softmaxes, cuda_bf16>("softmaxes", 9);
  check_cuda_agreement<networks::hinges, cuda_bf16>("hinges", 10);
  check_cuda_agreement<networks::cross_entropies, cuda_bf16>("cross entropies", 11);
}

TEST_CASE("concat, sum and tap") {
  check_cuda_agreement<networks::inceptions, cuda_bf16>("inceptions", 12);
  check_cuda_agreement<networks::joins, cuda_bf16>("joins", 13);
  check_cuda_agreement<networks::rectified_pools, cuda_bf16>("rectified pools", 14, 1e-2);
  check_cuda_agreement<networks::slices, cuda_bf16>("slices", 14);
  check_cuda_agreement<networks::normalised_sums, cuda_bf16>("normalised sums", 15, 1e-2);
  check_cuda_agreement<networks::more_normalised_sums, cuda_bf16>("more normalised sums", 16, 1e-2);
}

TEST_CASE("values take half the memory, parameters do not") {
  using narrow = memory_plan<networks::inceptions, cuda_bf16>;
  using wide = memory_plan<networks::inceptions, firecaffe::cuda>;
  const auto of_values = [](std::size_t with, std::size_t without) { return double(with - without); };
  const double share = of_values(narrow::bytes(64), narrow::bytes(0)) / of_values(wide::bytes(64), wide::bytes(0));
  CHECK(share >= 0.5);
  CHECK(share < 0.55);  // padding is of twice as many elements
  CHECK(narrow::bytes(0) >= 2 * sizeof(float) * std::size_t(parameter_count<networks::inceptions>));
}
