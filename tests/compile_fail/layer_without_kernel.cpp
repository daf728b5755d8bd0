// A device that has no implementation of a layer says so; there is no silent fall-back to another device.
// expect: no kernel for this layer on this device
#include <firecaffe/core/implementation.hpp>

struct some_device {};
struct some_layer {};

firecaffe::implementation<some_device, some_layer, firecaffe::place{}, firecaffe::place{}> kernel;
