// Training throughput of Network in Network: see throughput.hpp.
//   build/bench/throughput_nin --batch 16 --threads 1
//   mpirun -n 2 build/bench/throughput_nin --batch 32 --threads 1
#include <firecaffe/cpu.hpp>
#include <firecaffe/mpi.hpp>
#include <firecaffe/zoo/nin.hpp>

#include "throughput.hpp"

int main(int argc, char** argv) { return run<fc::zoo::nin>(argc, argv, "nin"); }
