#pragma once

// Sums of gradients by NCCL, beside firecaffe/cuda.hpp (CMake target firecaffe::nccl).
#include "comm/alone.hpp"
#include "comm/contract.hpp"
#include "comm/nccl.hpp"
#include "cuda.hpp"
