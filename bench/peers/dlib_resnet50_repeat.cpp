// The same with dlib's `repeat`, which compiles equal blocks once, and steps through them when it runs.
#include "dlib_resnet_units.hpp"

template <class S>
using stages = repeat<
    2, same512,
    projected<
        512, 2,
        repeat<5, same256,
               projected<256, 2, repeat<3, same128, projected<128, 2, repeat<2, same64, projected<64, 1, S>>>>>>>>;

using resnet50 = loss_multiclass_log<fc<1000, avg_pool_everything<stages<stem<input_rgb_image>>>>>;

int main(int argc, char** argv) { return steps<resnet50>("resnet50", argc, argv); }
