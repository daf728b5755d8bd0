#pragma once

// Training and inference on the CPU: needs oneDNN, a BLAS and OpenMP (CMake target firecaffe::cpu).
#include "cpu/batch_norm.hpp"
#include "cpu/channelwise.hpp"
#include "cpu/conv.hpp"
#include "cpu/device.hpp"
#include "cpu/lrn.hpp"
#include "cpu/pool.hpp"
#include "cpu/softmax.hpp"
#include "firecaffe.hpp"
