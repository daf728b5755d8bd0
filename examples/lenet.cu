// The same on GPUs, which the ranks of a node take in turn:
//   mpirun -n 2 build/examples/lenet_cuda --trace trace.json /usr/share/datasets/fashion-mnist
#include <firecaffe/cuda.hpp>
#include <firecaffe/mpi.hpp>

#include "lenet.hpp"

int main(int argc, char** argv) { return run<fc::cuda>(argc, argv); }
