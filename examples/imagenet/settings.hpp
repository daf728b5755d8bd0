#pragma once

#include <mpi.h>

#include <firecaffe/core/shape.hpp>
#include <firecaffe/data/any.hpp>
#include <firecaffe/solvers/contract.hpp>
#include <string>
#include <vector>

// What the command line says.
struct settings {
  std::string net = "googlenet", communicator = "tree";
  std::string train, validation;  // kind:place

  int batch = 256, epochs = 0, iter_size = 1, threads = 0;
  long long iterations = 0;
  std::string policy = "poly";
  float rate = 0.01f, gamma = 0.1f, power = 0.5f, momentum = 0.9f, decay = 2e-4f, clip = 0;
  std::vector<long long> at;  // where `step` and `multistep` lower the rate
  long long warmup = 0;
  unsigned long seed = 1;

  std::string augment = "resized", mean_file;
  int resize = 256;
  bool bgr = false, mirror = true;
  float scale = 1;
  std::vector<float> mean;
  int decode_threads = 1, ahead = 4;
  std::string metrics;
};

// A network of the zoo, and training it: one translation unit each, made from net.cpp.in.
struct zoo_net {
  const char* name;
  firecaffe::shape input;
  int classes;
  std::string (*summary)(int batch);
  void (*train)(const settings&, const firecaffe::data::any_dataset& training,
                const firecaffe::data::any_dataset* validation, MPI_Comm);
};

extern const zoo_net* const zoo_nets[];
extern const std::size_t zoo_net_count;

// Opens `kind:place` as samples for a network. Throws usage_error for kinds that there are not, and what the readers
// throw.
firecaffe::data::any_dataset open_data(const std::string& place, const settings&, firecaffe::shape input, int classes,
                                       bool training);
// The kinds, a line each.
std::string data_kinds();

// Throws usage_error for a policy that there is not.
firecaffe::lr::policy learning_rate(const settings&, long long iterations);
