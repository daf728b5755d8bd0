#pragma once

#include <mpi.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace simulate {

enum class topology { star, fat_tree, torus };

// A cluster of equal nodes, one rank on each.
//   star      every node has a full-duplex link to one switch that never blocks
//   fat_tree  two levels of 36-port switches, 18 ports down and 18 up: no oversubscription
//   torus     3-D, two nodes to a router; the nodes of a job are a box in a larger torus, as compact as can be
struct machine {
  std::string name;
  topology shape = topology::star;
  double bandwidth = 0;        // B/s of a node's link, each way
  double latency = 0;          // s from node to node (plus hop_latency per router)
  double add_rate = 0;         // B/s of single-precision sums a rank adds; 0: at no cost
  double staging = 0;          // B/s between the device and the host; 0: at no cost
  double link_bandwidth = 0;   // torus: B/s between routers, each way, in the first and third dimension
  double thin_bandwidth = 0;   // torus: in the second
  double flow_bandwidth = 0;   // torus: of one message between nodes of different routers, however idle the links are
  double hop_latency = 0;      // torus: s more for each router
  double incast_slowdown = 0;  // k: a node that receives n messages at once takes in bandwidth / (1 + k (n - 1))
};

// The machines are named in machines.hpp.

// Runs body(rank's duplicate of MPI_COMM_WORLD) for every rank of an MPI program under SimGrid's SMPI, in a process of
// its own, and returns what it returned on rank 0. Throws std::runtime_error when that process fails.
//
// Computation takes no simulated time but for `compute`. Messages of more than 64 KiB arrive without their contents.
// As SMPI asks, the body calls MPI from no other thread and not inside a catch block.
std::vector<double> run(const machine& m, int ranks, const std::function<std::vector<double>(MPI_Comm)>& body);

// For the body: simulated seconds since the start; time passing on this rank; waiting for all ranks, which takes no time
// (SMPI's own barrier takes one that grows with the cube of the number of ranks, on the machine that simulates);
// addresses that all ranks share.
double simulated_seconds();
void compute(double seconds);
void meet();
inline constexpr std::size_t address_range_bytes = std::size_t{1} << 42;
std::byte* address_range();

}  // namespace simulate
