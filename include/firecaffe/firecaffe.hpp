#pragma once

// Everything that needs no more than the standard library, Boost.PFR and zlib. Backends: cpu.hpp, cuda.hpp, mpi.hpp.
#include "layers/activations.hpp"
#include "layers/conv.hpp"
#include "layers/dense.hpp"
#include "layers/dropout.hpp"
#include "layers/losses.hpp"
#include "layers/pool.hpp"
#include "network/model.hpp"
#include "network/network.hpp"
