// runs long: whole networks through the plain loops of the oracle
#include "firecaffe/zoo/vgg.hpp"
#include "double_reference.hpp"

namespace zoo = firecaffe::zoo;

TEST_CASE("in double precision a training step of VGG-16 is PyTorch's") { agrees_in_double<zoo::vgg16>("vgg16"); }
TEST_CASE("in double precision a training step of VGG-19 is PyTorch's") { agrees_in_double<zoo::vgg19>("vgg19"); }
