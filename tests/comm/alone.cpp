#include "firecaffe/comm/alone.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "firecaffe/comm/contract.hpp"

using namespace firecaffe;

static_assert(gradient_communicator<alone>);

TEST_CASE("a sum over one rank changes nothing") {
  alone all;
  std::vector<float> data{1, 2};
  all.start(0, std::span{data});
  CHECK(all.progress());
  CHECK(all.finished(0));
  all.wait(0);
  CHECK(data == std::vector<float>{1, 2});
  CHECK((all.rank() == 0 && all.size() == 1 && all.node_size() == 1));
}
