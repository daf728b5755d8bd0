// GoogLeNet without heads and normalisation, which dlib has not, as one of dlib's network types: the peer for compile
// time (bench/compile_time.sh). g++ -O2 -std=c++20 dlib_googlenet.cpp -ldlib -lblas -llapack -pthread Usage:
// dlib_googlenet STEPS: training steps on 8 random images.
#include "dlib_steps.hpp"

using namespace dlib;

template <int Outputs, int Kernel, int Stride, class Subnet>
using unit = relu<add_layer<con_<Outputs, Kernel, Kernel, Stride, Stride, Kernel / 2, Kernel / 2>, Subnet>>;
template <int Kernel, int Stride, class Subnet>
using pool = add_layer<max_pool_<Kernel, Kernel, Stride, Stride, Kernel / 2, Kernel / 2>, Subnet>;

template <int C1, int R3, int C3, int R5, int C5, int P>
struct module {
  template <class S>
  using one = unit<C1, 1, 1, S>;
  template <class S>
  using three = unit<C3, 3, 1, unit<R3, 1, 1, S>>;
  template <class S>
  using five = unit<C5, 5, 1, unit<R5, 1, 1, S>>;
  template <class S>
  using pooled = unit<P, 1, 1, pool<3, 1, S>>;
  template <class S>
  using block = inception4<one, three, five, pooled, S>;
};

template <class S>
using stem = pool<3, 2, unit<192, 3, 1, unit<64, 1, 1, pool<3, 2, unit<64, 7, 2, S>>>>>;
template <class S>
using stage3 = pool<3, 2, module<128, 128, 192, 32, 96, 64>::block<module<64, 96, 128, 16, 32, 32>::block<S>>>;
template <class S>
using stage4a = module<128, 128, 256, 24, 64,
                       64>::block<module<160, 112, 224, 24, 64, 64>::block<module<192, 96, 208, 16, 48, 64>::block<S>>>;
template <class S>
using stage4b = pool<3, 2, module<256, 160, 320, 32, 128, 128>::block<module<112, 144, 288, 32, 64, 64>::block<S>>>;
template <class S>
using stage5 = module<384, 192, 384, 48, 128, 128>::block<module<256, 160, 320, 32, 128, 128>::block<S>>;

using googlenet = loss_multiclass_log<
    fc<1000, dropout<avg_pool_everything<stage5<stage4b<stage4a<stage3<stem<input_rgb_image>>>>>>>>>;

int main(int argc, char** argv) { return steps<googlenet>("googlenet", argc, argv); }
