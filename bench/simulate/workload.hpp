#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "firecaffe/network/parameters.hpp"
#include "firecaffe/network/work.hpp"

namespace simulate {

// What a training step of a network asks of a machine, read off its type.
struct workload {
  std::string name;
  std::size_t parameters = 0;
  std::vector<firecaffe::op_work> ops;
  std::vector<firecaffe::bucket> (*buckets)(std::size_t bytes) = nullptr;

  double flops() const {
    double sum = 0;
    for (const firecaffe::op_work& o : ops) sum += o.forward + o.backward;
    return sum;
  }
  std::size_t bytes() const { return parameters * sizeof(float); }
};

template <class Net>
workload workload_of(std::string name) {
  using device = firecaffe::no_device;
  return {std::move(name), firecaffe::parameters_of<Net, device>.elements, firecaffe::work_of<Net>(),
          &firecaffe::buckets_of<Net, device>};
}

workload workload_named(const std::string& name);  // lenet, nin, googlenet

}  // namespace simulate
