#pragma once

// What the two programs that train dlib's ResNet-50 have in common: units, blocks, and how they begin.
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
