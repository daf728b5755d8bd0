// needs no device
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "../networks.hpp"
#include "../volumes.hpp"
#include "firecaffe/cuda.hpp"
#include "firecaffe/zoo/alexnet.hpp"
#include "firecaffe/zoo/cosmoflow.hpp"
#include "firecaffe/zoo/googlenet.hpp"
#include "firecaffe/zoo/lenet.hpp"
#include "firecaffe/zoo/nin.hpp"
#include "firecaffe/zoo/resnet.hpp"
#include "firecaffe/zoo/vgg.hpp"

// cuDNN makes plans for a device that is only described: whether it has kernels for the convolutions of the zoo, in
// each arithmetic and under each filter, shows without one.
using namespace firecaffe;

namespace {

struct described_device {
  const char* name;
  const char* properties;  // as cuDNN writes them
};

constexpr described_device devices[] = {
    {"H100", R"({"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,
"multiProcessorCount":132,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,
"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,
"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":85000000000,
"smClockRateKHz":1980000,"memClockRateKHz":2619000,"l2CacheSize":52428800,"cudaDeviceId":0,"deviceVer":900,
"driverVer":13000,"deviceName":"NVIDIA H100 80GB HBM3"})"},
    {"A100", R"({"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,
"multiProcessorCount":108,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":166912,
"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,
"maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":85000000000,
"smClockRateKHz":1410000,"memClockRateKHz":1593000,"l2CacheSize":41943040,"cudaDeviceId":0,"deviceVer":800,
"driverVer":13000,"deviceName":"NVIDIA A100-SXM4-80GB"})"}};

cudnn_descriptor properties_of(const described_device& d) {
  cudnn_descriptor p(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, 0);
  const std::string text = d.properties;
  p.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::int64_t(text.size()), text.data()).finalize();
  return p;
}

struct convolution {
  cudnn_geometry geometry;
  std::int64_t x_pitch, y_pitch;
};

// The convolutions of a network as the device runs them.
template <class Net, class Device>
std::vector<convolution> convolutions_of() {
  std::vector<convolution> out;
  const auto look = [&]<int I>(std::integral_constant<int, I>) {
    using types = op_types<Net, Device, plan_options{}, I>;
    if constexpr (types::here.kind == op_kind::transform) {
      using run = implementation_of<Net, Device, plan_options{}, I>;
      if constexpr (requires { run::geometry.groups; }) {
        const bool transposed = !(run::geometry.in == types::in.extents);
        const place &x = transposed ? types::out : types::in, &y = transposed ? types::in : types::out;
        out.push_back({run::geometry, x.strides.pixel, y.strides.pixel});
      }
    }
  };
  [&]<int... I>(std::integer_sequence<int, I...>) { (look(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, plan<Net, Device>.op_count>{});
  return out;
}

template <class Net, class Device>
void check_kernels(const char* net, int samples) {
  const cudnnDataType_t type = sizeof(typename Device::value) == 2 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const bool tensor_cores = Device::policy_of_type.math != cuda_math::fp32;
  const std::vector<convolution> all = convolutions_of<Net, Device>();
  CHECK(!all.empty());
  for (const described_device& d : devices) {
    const cudnn_descriptor properties = properties_of(d);
    for (const convolution& c : all)
      for (const auto what : {cudnn_request::forward, cudnn_request::forward_bias, cudnn_request::forward_bias_relu,
                              cudnn_request::input_gradient, cudnn_request::weight_gradient})
        for (const bool add : {false, true}) {
          const bool forward = what <= cudnn_request::forward_bias_relu;
          if (forward && what != cudnn_request::forward && (add || c.geometry.y_channels % 4 != 0)) continue;
          CAPTURE(std::string(net));
          CAPTURE(std::string(Device::name));
          CAPTURE(std::string(d.name));
          CAPTURE(c.geometry.x_channels);
          CAPTURE(c.geometry.y_channels);
          CAPTURE(c.geometry.slide.kernel_h);
          CAPTURE(int(what));
          CAPTURE(add);
          const cudnn_operations operations(c.geometry, type, {what, samples, c.x_pitch, c.y_pitch, add}, 0);
          cudnn_candidates candidates(properties, operations.list(), {true, tensor_cores});
          const auto plan = candidates.next();
          CHECK(plan != nullptr);
        }
  }
}

template <class Net>
void check_arithmetics(const char* net, int samples) {
  check_kernels<Net, firecaffe::cuda>(net, samples);
  check_kernels<Net, cuda_tf32>(net, samples);
  check_kernels<Net, cuda_bf16>(net, samples);
}

}  // namespace

TEST_CASE("cuDNN has kernels for the networks that tests compare") {
  check_arithmetics<networks::convolutions>("convolutions", 5);
  check_arithmetics<networks::narrow_convolutions>("narrow_convolutions", 5);
  check_arithmetics<networks::transposed>("transposed", 5);
  check_arithmetics<networks::volume_convolutions>("volume_convolutions", 5);
  check_arithmetics<networks::plane_and_volume>("plane_and_volume", 3);
  check_arithmetics<networks::signals>("signals", 5);
  check_arithmetics<networks::transposed_volumes>("transposed_volumes", 5);
}

TEST_CASE("cuDNN has kernels for the zoo") {
  check_arithmetics<zoo::lenet>("lenet", 32);
  check_arithmetics<zoo::nin>("nin", 32);
  check_arithmetics<zoo::alexnet>("alexnet", 32);
  check_arithmetics<zoo::googlenet>("googlenet", 32);
  check_arithmetics<zoo::vgg19>("vgg19", 32);
  check_arithmetics<zoo::resnet50>("resnet50", 32);
  check_arithmetics<zoo::cosmoflow<64>>("cosmoflow", 4);
}

TEST_CASE("what is no convolution is an error that says so") {
  const cudnn_descriptor properties = properties_of(devices[0]);
  cudnn_geometry g{1, {8, 9, 9}, {16, 8, 7}, 8, 16, {}};
  g.slide.kernel_h = g.slide.kernel_w = 3;  // its result has 7 rows
  try {
    const cudnn_operations operations(g, CUDNN_DATA_FLOAT, {cudnn_request::forward, 2, 8, 16}, 0);
    cudnn_candidates(properties, operations.list(), {}).next();
    FAIL("no error");
  } catch (const error& e) {
    CHECK(std::string(e.what()).find("cudnnBackendFinalize") != std::string::npos);
  }
}
