// Training throughput of GoogLeNet with its auxiliary classifiers: see throughput.hpp.
//   build/bench/throughput_googlenet --batch 16 --threads 1
//   mpirun -n 2 build/bench/throughput_googlenet --batch 32 --threads 1
#include <firecaffe/cpu.hpp>
#include <firecaffe/mpi.hpp>
#include <firecaffe/zoo/googlenet.hpp>

#include "throughput.hpp"

int main(int argc, char** argv) { return run<fc::zoo::googlenet>(argc, argv, "googlenet"); }
