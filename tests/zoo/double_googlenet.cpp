// runs long: whole networks through the plain loops of the oracle
#include "firecaffe/zoo/googlenet.hpp"
#include "double_reference.hpp"

namespace zoo = firecaffe::zoo;

TEST_CASE("in double precision a training step of GoogLeNet is PyTorch's") {
  agrees_in_double<zoo::googlenet>("googlenet");
}
TEST_CASE("in double precision a training step of GoogLeNet without heads is PyTorch's") {
  agrees_in_double<zoo::googlenet_plain>("googlenet_plain");
}
