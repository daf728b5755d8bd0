// The twin of layer_without_kernel.cpp: the device has an implementation.
// accept
#include <firecaffe/core/implementation.hpp>

struct some_device {};
struct some_layer {};

template <firecaffe::place In, firecaffe::place Out>
struct firecaffe::implementation<some_device, some_layer, In, Out> {};

firecaffe::implementation<some_device, some_layer, firecaffe::place{}, firecaffe::place{}> kernel;
