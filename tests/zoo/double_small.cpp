// runs long: whole networks through the plain loops of the oracle
#include "firecaffe/zoo/alexnet.hpp"
#include "firecaffe/zoo/cosmoflow.hpp"
#include "firecaffe/zoo/lenet.hpp"
#include "firecaffe/zoo/nin.hpp"
#include "firecaffe/zoo/squeezenet.hpp"
#include "double_reference.hpp"

namespace zoo = firecaffe::zoo;

TEST_CASE("in double precision a training step of LeNet is PyTorch's") { agrees_in_double<zoo::lenet>("lenet"); }
TEST_CASE("in double precision a training step of NiN is PyTorch's") { agrees_in_double<zoo::nin>("nin"); }
TEST_CASE("in double precision a training step of AlexNet in two groups is PyTorch's") {
  agrees_in_double<zoo::bvlc_alexnet>("bvlc_alexnet");
}
TEST_CASE("in double precision a training step of AlexNet is PyTorch's") { agrees_in_double<zoo::alexnet>("alexnet"); }
TEST_CASE("in double precision a training step of SqueezeNet is PyTorch's") {
  agrees_in_double<zoo::squeezenet>("squeezenet");
}
TEST_CASE("in double precision a training step of CosmoFlow is PyTorch's") {
  agrees_in_double<zoo::cosmoflow<32>>("cosmoflow32");
}
