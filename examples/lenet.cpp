// Trains LeNet on images in IDX files (MNIST, Fashion-MNIST) on all ranks it is started with:
//   mpirun -n 2 build/examples/lenet /usr/share/datasets/fashion-mnist
#include "lenet.hpp"

#include <firecaffe/cpu.hpp>
#include <firecaffe/mpi.hpp>

int main(int argc, char** argv) { return run<fc::cpu>(argc, argv); }
