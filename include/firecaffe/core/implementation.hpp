#pragma once

#include <cstdint>
#include <utility>

#include "fields.hpp"
#include "host_device.hpp"
#include "layer.hpp"
#include "random.hpp"
#include "tensor_view.hpp"

namespace firecaffe {

// Where an op reads or writes: the per-sample shape and the layout the plan gave it, and whether it has a gradient.
struct place {
  shape extents;
  layout strides;
  bool gradient = true;
  friend constexpr bool operator==(const place&, const place&) = default;
};

// A layer followed by a pointwise layer, done in one pass (conv + bias + relu). A device says which pairs it fuses:
//   Device::fuses<Layer, Pointwise>, and Device::fuses_sums for a sum with whatever follows it
template <class Layer, class Pointwise>
struct fused : Layer {
  using first = Layer;
  using second = Pointwise;
};

// A layer and the sum of its result and another value, in one pass: alone where Device::fuses<summed<Layer>, identity>,
// or with the pointwise layer behind the sum, as fused<summed<Layer>, Pointwise>.
template <class Layer>
struct summed : Layer {};

// What an op may want to know about the pass it runs in.
struct pass {
  bool training = false;
  std::uint64_t seed = 0;
  std::uint32_t step = 0;          // iteration; read it by current_step()
  std::uint32_t first_sample = 0;  // position of sample 0 in the global batch
  std::uint32_t part = 0;          // index of the layer in the network: fusing ops does not change it
  double scale = 1;                // of the loss's gradient: 1 over the samples of the global batch
  // Forward: the loss that a network ends with has its gradient written along, by devices that can, with `scale`;
  // backward: it has been.
  bool gradient_with_loss = false;
  // In the device's memory, where work that is recorded once and replayed finds what changes from step to step.
  const std::uint32_t* live_step = nullptr;

  FIRECAFFE_HD std::uint32_t current_step() const { return live_step ? *live_step : step; }
};

// A device may say of a layer, by Device::remembers<Layer>, that its implementations, alone and with the layers they
// are fused with, keep what their backward pass needs: x and y are not theirs to read any more then.
template <class Device, class Layer>
constexpr bool remembers = false;
template <class Device, class Layer>
requires requires { Device::template remembers<Layer>; }
constexpr bool remembers<Device, Layer> = Device::template remembers<Layer>;

template <class>
constexpr bool never = false;

// How `Device` runs `Layer` between two places. An implementation has
//   parameters<weight_layout> storage()          static constexpr: how the parameters lie in the arena
//   implementation(Device&, int batch)           makes primitives and scratch for at most `batch` samples, once
//   forward(Device&, x, y, parameters<const T*>, pass)
//   backward(Device&, x, y, dy, dx, parameters<const T*>, parameters<T*> gradients, adds, pass)
// x, y, dy, dx are tensor_views of the same number of samples; dy is the op's to overwrite; dx is null where nobody
// wants it. `adds.input`: add to dx instead of writing it; `adds.parameters`: add to the gradients. Padding lanes are
// zero in every value, weight and gradient, and each op leaves them so. Ops make no other promise about values they do
// not declare. One of a summed layer has
//   forward(Device&, x, other, y, parameters, pass)                      y may lie where `other` does
//   backward(Device&, x, y, dy, other, dx, parameters, gradients, adds, pass)
// and leaves the gradient that both operands of the sum have in `other`, or in dy where that is null.
template <class Device, class Layer, place In, place Out>
struct implementation {
  static_assert(never<Layer>, "no kernel for this layer on this device");
};

struct accumulation {
  bool input = false;
  bool parameters = false;
};

// What a loss or a metric compares its input with: class labels, or values of the input's shape in canonical order.
template <class T>
struct target_view {
  const std::int32_t* labels = nullptr;
  tensor_view<const T> values;
};

// A loss implements instead
//   forward(Device&, x, target, double* sum, pass)             *sum = the loss added up over the samples
//   backward(Device&, x, target, dx, scale, adds, pass)        dx (+)= scale * d(sum)/dx
// and may have both in one, for pass::gradient_with_loss,
//   forward(Device&, x, target, double* sum, dx, scale, pass)  dx = scale * d(sum)/dx
// A metric has only the first, with the count of correct samples.

// Parameters stored in canonical order: what most implementations use.
template <class Layer>
constexpr auto canonical_storage(shape in) {
  const auto described = Layer::describe(in);
  typename Layer::template parameters<weight_layout> out{};
  for_each_field<decltype(out)>([&](auto i) {
    const parameter p = field<i>(described);
    field<i>(out) = canonical_layout(p.outputs, p.inputs, p.taps);
  });
  return out;
}

}  // namespace firecaffe
