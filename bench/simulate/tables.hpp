#pragma once

#include <string>
#include <vector>

// Each prints JSON lines on stdout, a table on stderr.
namespace simulate {

// The simulator against closed formulas. False if one is missed by more than 3 %.
bool formula_table();

// Titan as measured and as modelled, with the fit of its one fitted bandwidth made again.
void titan_table();

// The paper's training times, and what the model makes of them: with the vendor's allreduce, a tree, a server.
void paper_table();

// The tree's rows with other measured curves of a GPU's efficiency at small batches.
void curve_table();

// The same rows, and larger batches, for the best of the library's configurations.
void best_table();

// Speedup against ranks for server, tree, ring and the best, on Titan and 10 GbE: what plot.py draws.
void scaling_table();

// One configuration of the user's choice.
struct single_run {
  std::string platform = "titan", net = "googlenet", algorithm = "ring", codec = "raw";
  int ranks = 32, batch = 1024, window = 2;
  std::size_t segment_bytes = 0, bucket_bytes = 8 << 20;
  bool overlap = false;
};
void single_table(const single_run& o);

}  // namespace simulate
