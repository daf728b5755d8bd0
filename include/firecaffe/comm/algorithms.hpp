#pragma once

#include "chain_schedule.hpp"
#include "communicator.hpp"
#include "direct_schedule.hpp"
#include "double_tree_schedule.hpp"
#include "halving_doubling_schedule.hpp"
#include "hierarchical_schedule.hpp"
#include "parameter_server_schedule.hpp"
#include "recursive_doubling_schedule.hpp"
#include "ring_schedule.hpp"
#include "tree_schedule.hpp"

namespace firecaffe {

// Gradients summed by each algorithm over a transport: tree<mpi::transport>, ring<local::transport>. What a rank sends,
// in how many rounds, and the order of summation are told with the schedules. What follows the transport goes to the
// communicator: a codec, ...
template <class Transport, class... Policies>
using tree = communicator<tree_schedule, Transport, Policies...>;

template <class Transport, class... Policies>
using double_tree = communicator<double_tree_schedule, Transport, Policies...>;

template <class Transport, class... Policies>
using pipelined_chain = communicator<chain_schedule, Transport, Policies...>;

template <class Transport, class... Policies>
using ring = communicator<ring_schedule, Transport, Policies...>;

template <class Transport, class... Policies>
using halving_doubling = communicator<halving_doubling_schedule, Transport, Policies...>;

template <class Transport, class... Policies>
using recursive_doubling = communicator<recursive_doubling_schedule, Transport, Policies...>;

template <class Transport, class... Policies>
using direct = communicator<direct_schedule, Transport, Policies...>;

template <class Transport, int Servers = 1, class... Policies>
using parameter_server = communicator<parameter_server_schedule<Servers>, Transport, Policies...>;

// hierarchical<direct_schedule, ring_schedule, mpi::transport>: Inner within the nodes, Outer between them.
template <class Inner, class Outer, class Transport, class... Policies>
using hierarchical = communicator<hierarchical_schedule<Inner, Outer>, Transport, Policies...>;

}  // namespace firecaffe
