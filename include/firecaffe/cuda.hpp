#pragma once

// Training and inference on an NVIDIA device: needs the CUDA toolkit with cuBLASLt, and cuDNN 9 (CMake target
// firecaffe::cuda).
#if !defined(__CUDACC__)
#error \
    "firecaffe/cuda.hpp holds device code: compile this file with nvcc (name it .cu; -std=c++20 is the only flag it needs), or include firecaffe/cpu.hpp and train on the CPU"
#else
#include "cuda/batch_norm.hpp"
#include "cuda/channelwise.hpp"
#include "cuda/conv.hpp"
#include "cuda/conv_transpose.hpp"
#include "cuda/dense.hpp"
#include "cuda/device.hpp"
#include "cuda/lrn.hpp"
#include "cuda/marks.hpp"
#include "cuda/pool.hpp"
#include "cuda/recorder.hpp"
#include "cuda/softmax.hpp"
#include "cuda/summing_memory.hpp"
#include "firecaffe.hpp"
#endif
