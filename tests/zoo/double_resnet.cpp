// runs long: whole networks through the plain loops of the oracle
#include "firecaffe/zoo/resnet.hpp"
#include "double_reference.hpp"

namespace zoo = firecaffe::zoo;

TEST_CASE("in double precision a training step of ResNet-18 is PyTorch's") {
  agrees_in_double<zoo::resnet18>("resnet18");
}
TEST_CASE("in double precision a training step of ResNet-50 is PyTorch's") {
  agrees_in_double<zoo::resnet50>("resnet50");
}
