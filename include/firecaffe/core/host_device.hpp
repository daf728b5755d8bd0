#pragma once

// The one macro of the library: functions that run on the host and, under nvcc, on the device too.
#if defined(__CUDACC__)
#define FIRECAFFE_HD __host__ __device__
#else
#define FIRECAFFE_HD
#endif
