#pragma once

// Everything that needs no more than the standard library and Boost.PFR, and zlib for the readers where it is there.
// Backends are opted in to: cpu.hpp, cuda.hpp, mpi.hpp; so are readers that need a library: data/folder.hpp, list.hpp,
// lmdb.hpp, hdf5.hpp and mean_file.hpp.
#include "comm/algorithms.hpp"
#include "comm/alone.hpp"
#include "comm/local.hpp"
#include "data/any.hpp"
#include "data/dataset.hpp"
#if __has_include(<zlib.h>)
#include "data/cifar.hpp"
#include "data/idx.hpp"
#endif
#include "data/resize.hpp"
#include "data/synthetic.hpp"
#include "data/transform.hpp"
#include "data/view.hpp"
#include "layers/activations.hpp"
#include "layers/batch_norm.hpp"
#include "layers/conv.hpp"
#include "layers/conv_transpose.hpp"
#include "layers/dense.hpp"
#include "layers/dropout.hpp"
#include "layers/losses.hpp"
#include "layers/lrn.hpp"
#include "layers/pool.hpp"
#include "layers/prelu.hpp"
#include "layers/scale.hpp"
#include "network/model.hpp"
#include "network/network.hpp"
#include "network/summary.hpp"
#include "observe/console.hpp"
#include "observe/metrics.hpp"
#include "solvers/lr/policies.hpp"
#include "solvers/sgd.hpp"
#include "train/trainer.hpp"
