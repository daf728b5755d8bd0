// The main function of the tests in this folder: without a device they are skipped (77), not failed.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstdio>

int main(int argc, char** argv) {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0) {
    std::printf("skipped: %s\n", status != cudaSuccess ? cudaGetErrorString(status) : "no device");
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
