#include "../volumes.hpp"
#include "agreement.hpp"

using namespace firecaffe;

TEST_CASE("convolutions over volumes and signals agree with the reference") {
  for (std::uint64_t seed : {1, 2}) {
    check_cuda_agreement<networks::volume_convolutions>("volume_convolutions", seed);
    check_cuda_agreement<networks::plane_and_volume>("plane_and_volume", seed);
    check_cuda_agreement<networks::signals>("signals", seed);
    check_cuda_agreement<networks::transposed_volumes>("transposed_volumes", seed);
  }
}

TEST_CASE("pooling over volumes agrees with the reference") {
  for (std::uint64_t seed : {3, 4}) {
    check_cuda_agreement<networks::volume_pools>("volume_pools", seed);
    check_cuda_agreement<networks::volume_pools_in_a_row>("volume_pools_in_a_row", seed);
  }
}
