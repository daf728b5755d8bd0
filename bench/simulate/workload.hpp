#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "firecaffe/network/parameters.hpp"
#include "firecaffe/network/summary.hpp"

namespace simulate {

// What a training step of a network asks of a machine, read off its type.
struct workload {
  struct op {
    double forward = 0, backward = 0;  // floating-point operations of one sample
  };
  std::string name;
  std::size_t parameters = 0;
  std::vector<op> ops;
  std::vector<firecaffe::bucket> (*buckets)(std::size_t bytes) = nullptr;

  double flops() const {
    double sum = 0;
    for (const op& o : ops) sum += o.forward + o.backward;
    return sum;
  }
  std::size_t bytes() const { return parameters * sizeof(float); }
};

// A backward pass does the work of the forward pass once for the gradient of the input, where that is wanted, and once
// for those of the parameters, where there are any.
template <class Net>
workload workload_of(std::string name) {
  using device = firecaffe::no_device;
  constexpr auto& plan = firecaffe::plan<Net, device>;
  workload w;
  w.name = std::move(name);
  w.parameters = firecaffe::parameters_of<Net, device>.elements;
  w.buckets = &firecaffe::buckets_of<Net, device>;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (w.ops.push_back({static_cast<double>(firecaffe::op_flops<Net, I>()), 0}), ...);
  }
  (std::make_integer_sequence<int, plan.op_count>{});
  for (std::size_t i = 0; i < w.ops.size(); ++i) {
    const firecaffe::planned_op& o = plan.ops[i];
    if (!o.backward) continue;
    bool learns = false, passes_on = false;
    for (int p = 0; p < firecaffe::parameters_of<Net, device>.count; ++p)
      learns = learns || firecaffe::parameters_of<Net, device>.list[p].op == static_cast<int>(i);
    for (int k = 0; k < plan.operand_count(o); ++k) passes_on = passes_on || plan.values[plan.operand(o, k)].gradient;
    w.ops[i].backward = w.ops[i].forward * (int(learns) + int(passes_on));
  }
  return w;
}

workload workload_named(const std::string& name);  // lenet, nin, googlenet

}  // namespace simulate
