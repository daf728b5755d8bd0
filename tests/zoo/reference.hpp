#pragma once

#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/device.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "torch_step.hpp"

template <class Net>
void agrees_with_reference(const char* name, limits most = {}) {
  const torch_step expected(name);
  firecaffe::model<Net, firecaffe::cpu> m(firecaffe::cpu{1}, expected.batch, expected.seed);
  agrees_with_reference(m, expected, most);
}
