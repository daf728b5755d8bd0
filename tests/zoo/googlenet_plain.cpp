// Apart from googlenet.cpp, as both together take long to compile.
#include "firecaffe/cpu/lrn.hpp"
#include "firecaffe/zoo/googlenet.hpp"
#include "reference.hpp"

TEST_CASE("a training step is PyTorch's") { agrees_with_reference<firecaffe::zoo::googlenet_plain>("googlenet_plain"); }
