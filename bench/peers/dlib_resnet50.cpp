// ResNet-50 as one of dlib's network types, block by block: the peer for compile time (bench/compile_time.sh).
// g++ -O2 -std=c++20 dlib_resnet50.cpp -ldlib -lblas -llapack -pthread
// Usage: dlib_resnet50 STEPS: training steps on 8 random images.
#include "dlib_resnet_units.hpp"

template <class S>
using stage64 = same64<same64<projected<64, 1, S>>>;
template <class S>
using stage128 = same128<same128<same128<projected<128, 2, S>>>>;
template <class S>
using stage256 = same256<same256<same256<same256<same256<projected<256, 2, S>>>>>>;
template <class S>
using stage512 = same512<same512<projected<512, 2, S>>>;

using resnet50 =
    loss_multiclass_log<fc<1000, avg_pool_everything<stage512<stage256<stage128<stage64<stem<input_rgb_image>>>>>>>>;

int main(int argc, char** argv) { return steps<resnet50>("resnet50", argc, argv); }
