#pragma once

#include <array>
#include <string>

#include "engine.hpp"
#include "firecaffe/core/error.hpp"
#include "paper.hpp"

namespace simulate {

// Links run at their nominal rate, without protocol overhead. Staging is PCIe 2.0 x16 as it is measured (6 GB/s); a
// core adds 6 GB of sums per second, both taken, not measured.
inline machine gigabit_ethernet() {
  return {.name = "1gbe", .bandwidth = 0.125e9, .latency = 50e-6, .add_rate = 6e9, .staging = 6e9};
}

inline machine ten_gigabit_ethernet() {
  return {.name = "10gbe", .bandwidth = 1.25e9, .latency = 25e-6, .add_rate = 6e9, .staging = 6e9};
}

// 4x FDR: 56 Gbit/s less 64/66 coding and what PCIe and headers leave.
inline machine fdr_infiniband() {
  return {
      .name = "fdr", .shape = topology::fat_tree, .bandwidth = 6e9, .latency = 1.5e-6, .add_rate = 6e9, .staging = 6e9};
}

// What a single message between different routers of Titan gets: fitted to the vendor's MPI_Allreduce on 32 to 256
// nodes (`simulate --only titan` makes the fit again and prints what is left).
inline constexpr double titan_flow_bandwidth = 1.26e9;

// Cray XK7, Gemini. From measurements: a node's own bandwidth (two nodes, one sends), the rate of adding (two nodes,
// allreduce), the slowdown of many senders to one root, and the bandwidth of a single message across the torus.
// Nominal: links of 9.375 GB/s, half that in the second dimension. Latencies are typical values and matter little here.
inline machine titan(double flow_bandwidth = titan_flow_bandwidth) {
  const double bandwidth = titan_to_one_root[0].bandwidth;
  return {.name = "titan",
          .shape = topology::torus,
          .bandwidth = bandwidth,
          .latency = 1.5e-6,
          .add_rate = add_rate_from_pair(bandwidth, titan_allreduce[0].bandwidth),
          .staging = 6e9,
          .link_bandwidth = 9.375e9,
          .thin_bandwidth = 4.6875e9,
          .flow_bandwidth = flow_bandwidth,
          .hop_latency = 0.1e-6,
          .incast_slowdown = fit_incast(bandwidth, titan_to_one_root)};
}

inline machine machine_named(const std::string& name) {
  for (const machine& m : std::array{gigabit_ethernet(), ten_gigabit_ethernet(), fdr_infiniband(), titan()})
    if (m.name == name) return m;
  throw firecaffe::usage_error("there is no platform " + name + ": 1gbe, 10gbe, fdr or titan");
}

}  // namespace simulate
