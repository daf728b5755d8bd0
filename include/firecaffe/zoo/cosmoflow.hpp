#pragma once

#include "../layers/activations.hpp"
#include "../layers/conv.hpp"
#include "../layers/dense.hpp"
#include "../layers/losses.hpp"
#include "../layers/pool.hpp"
#include "../network/network.hpp"

namespace firecaffe::zoo {

// CosmoFlow: cosmological parameters from the distribution of dark matter, after Mathuriya et al., "CosmoFlow: using
// deep learning to learn the universe at scale" (arXiv 1808.04728), with the layers of the MLPerf HPC benchmark: five
// times a convolution, a leaky ReLU and a maximum over cubes of 2, then three dense layers. Ours has kernels of 3 as
// the paper has, targets that are compared as they are (MLPerf ends in 1.2 tanh), and no dropout. `Side`, of the volume
// of four redshifts, is a multiple of 32; with the published 128 there are 8,907,556 parameters and a sample's
// activations and gradients take 0.64 GB.
template <int Side = 128>
struct cosmoflow : network<input<4, Side, Side, Side>,  //
                           conv<32, kernel<3>, pad<1>>, leaky_relu<ratio<3, 10>>, max_pool<kernel<2>, stride<2>>,
                           conv<64, kernel<3>, pad<1>>, leaky_relu<ratio<3, 10>>, max_pool<kernel<2>, stride<2>>,
                           conv<128, kernel<3>, pad<1>>, leaky_relu<ratio<3, 10>>, max_pool<kernel<2>, stride<2>>,
                           conv<256, kernel<3>, pad<1>>, leaky_relu<ratio<3, 10>>, max_pool<kernel<2>, stride<2>>,
                           conv<512, kernel<3>, pad<1>>, leaky_relu<ratio<3, 10>>, max_pool<kernel<2>, stride<2>>,
                           dense<128>, leaky_relu<ratio<3, 10>>,  //
                           dense<64>, leaky_relu<ratio<3, 10>>,   //
                           dense<4>, euclidean_loss> {
  static_assert(Side % 32 == 0, "cosmoflow: the side of the volume must be a multiple of 32");
};

}  // namespace firecaffe::zoo
