#pragma once

#include <vector>

#include "summary.hpp"

namespace firecaffe {

// Floating-point operations of one op for one sample.
struct op_work {
  double forward = 0, backward = 0;
};

// Of every op in the order of `plan<Net, no_device>`, which fuses none, so that buckets_of<Net, no_device> fits. A
// backward pass does the work of the forward pass once for the gradient of the input, where one is wanted, and once for
// the gradients of the parameters, where there are any.
template <class Net>
std::vector<op_work> work_of() {
  constexpr auto& the_plan = plan<Net, no_device>;
  constexpr auto& the_parameters = parameters_of<Net, no_device>;
  std::vector<op_work> work;
  [&]<int... I>(std::integer_sequence<int, I...>) { (work.push_back({double(op_flops<Net, I>()), 0}), ...); }
  (std::make_integer_sequence<int, the_plan.op_count>{});
  for (int i = 0; i < the_plan.op_count; ++i) {
    const planned_op& o = the_plan.ops[i];
    bool learns = false, passes_on = false;
    for (int p = 0; p < the_parameters.count; ++p)
      learns = learns || (the_parameters.list[p].op == i && the_parameters.list[p].description.learnable());
    for (int k = 0; k < the_plan.operand_count(o); ++k)
      passes_on = passes_on || the_plan.values[the_plan.operand(o, k)].gradient;
    if (o.backward) work[std::size_t(i)].backward = work[std::size_t(i)].forward * (int(learns) + int(passes_on));
  }
  return work;
}

}  // namespace firecaffe
