// Training throughput of LeNet on MNIST's shapes: see throughput.hpp.
//   build/bench/throughput --batch 64 --threads 1
//   mpirun -n 2 build/bench/throughput --batch 128 --threads 1
#include "throughput.hpp"

#include <firecaffe/cpu.hpp>
#include <firecaffe/mpi.hpp>
#include <firecaffe/zoo/lenet.hpp>

int main(int argc, char** argv) { return run<fc::zoo::lenet>(argc, argv, "lenet"); }
