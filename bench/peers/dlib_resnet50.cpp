// ResNet-50 as one of dlib's network types: the peer for compile time (bench/compile_time.sh).
// g++ -O2 -std=c++20 dlib_resnet50.cpp -ldlib -lblas -llapack -pthread
// Usage: dlib_resnet50 STEPS: training steps on 8 random images.
#include "dlib_steps.hpp"

using namespace dlib;

template <int Outputs, int Kernel, int Stride, class Subnet>
using unit = bn_con<add_layer<con_<Outputs, Kernel, Kernel, Stride, Stride, Kernel / 2, Kernel / 2>, Subnet>>;
template <int Inner, int Stride, class Subnet>
using bottleneck = unit<4 * Inner, 1, 1, relu<unit<Inner, 3, 1, relu<unit<Inner, 1, Stride, Subnet>>>>>;

template <int Inner, class Subnet>
using same = relu<add_prev1<bottleneck<Inner, 1, tag1<Subnet>>>>;
template <int Inner, int Stride, class Subnet>
using projected = relu<add_prev2<unit<4 * Inner, 1, Stride, skip1<tag2<bottleneck<Inner, Stride, tag1<Subnet>>>>>>>;

template <class S>
using same64 = same<64, S>;
template <class S>
using same128 = same<128, S>;
template <class S>
using same256 = same<256, S>;
template <class S>
using same512 = same<512, S>;

template <class S>
using stem = add_layer<max_pool_<3, 3, 2, 2, 1, 1>, relu<unit<64, 7, 2, S>>>;
template <class S>
using stages = repeat<
    2, same512,
    projected<
        512, 2,
        repeat<5, same256,
               projected<256, 2, repeat<3, same128, projected<128, 2, repeat<2, same64, projected<64, 1, S>>>>>>>>;

using resnet50 = loss_multiclass_log<fc<1000, avg_pool_everything<stages<stem<input_rgb_image>>>>>;

int main(int argc, char** argv) { return steps<resnet50>("resnet50", argc, argv); }
