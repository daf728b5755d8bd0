#include "../networks.hpp"
#include "agreement.hpp"

using namespace firecaffe;

TEST_CASE("concat, sum and tap agree with the reference") {
  for (std::uint64_t seed : {1, 2}) {
    check_cuda_agreement<networks::inceptions>("inceptions", seed);
    check_cuda_agreement<networks::joins>("joins", seed);
    check_cuda_agreement<networks::residuals>("residuals", seed);
    check_cuda_agreement<networks::normalised_sums>("normalised sums", seed);
    check_cuda_agreement<networks::more_normalised_sums>("more normalised sums", seed);
    check_cuda_agreement<networks::rectified_pools>("rectified pools", seed);
    check_cuda_agreement<networks::slices>("slices", seed);
    check_cuda_agreement<networks::heads>("heads", seed);
  }
}
