#pragma once

#include "communicator.hpp"
#include "tree_schedule.hpp"

namespace firecaffe {

// Gradients summed over a binomial tree: tree<mpi::transport>, tree<local::transport>. See tree_schedule for the order
// of summation and for what each rank sends.
template <class Transport>
using tree = communicator<tree_schedule, Transport>;

}  // namespace firecaffe
