#include "firecaffe/zoo/lenet.hpp"

#include "firecaffe/cpu/device.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::lenet;

static_assert(fc::parameter_count<net> == 431'080);

TEST_CASE("every value has the published shape") {
  const std::vector<shape> expected{{1, 28, 28}, {20, 24, 24}, {20, 12, 12}, {50, 8, 8},
                                    {50, 4, 4},  {500},        {500},        {10}};
  CHECK(shapes_of<net>() == expected);
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  CHECK(fills<net>(filler::xavier, 0, [](const parameter& p) { return p.inputs * p.taps > 1; }));
  CHECK(fills<net>(filler::constant, 0, [](const parameter& p) { return p.inputs * p.taps == 1; }));
}

TEST_CASE("a training step is PyTorch's") { agrees_with_reference<net>("lenet", exact); }
