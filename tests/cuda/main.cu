// The main function of the tests in this folder.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "no_device.hpp"

int main(int argc, char** argv) {
  if (const int status = status_without_device()) return status;
  return doctest::Context(argc, argv).run();
}
