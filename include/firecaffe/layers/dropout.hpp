#pragma once

#include "../core/host_device.hpp"
#include "../core/implementation.hpp"

namespace firecaffe {

// In training each element is zero with probability Ratio and otherwise scaled by 1 / (1 - Ratio); in evaluation the
// input passes unchanged (Caffe's inverted dropout). The mask is not stored: it is a function of (seed, iteration,
// sample, op, element), the same on every device, for any number of ranks.
template <class Ratio = ratio<1, 2>>
struct dropout : layer_defaults {
  static_assert(Ratio::num >= 0 && Ratio::num < Ratio::den, "dropout: the ratio must be in [0, 1)");
  static constexpr const char* name = "dropout";
  static constexpr bool backward_needs_input = false;
  static constexpr bool in_place = true;
  static constexpr shape output(shape in) { return in; }
  static constexpr std::int64_t flops(shape in) { return in.elements(); }
};

// `Live`: the step's number is looked up where masks are made, see pass::live_step.
template <bool Live>
struct dropout_mask {
  static constexpr bool preserves_zero = true;
  pass now;
  std::uint32_t threshold;  // keeps an element whose word is not below
  double scale;

  template <class T>
  FIRECAFFE_HD T operator()(int sample, int element, T x) const {
    const std::uint32_t step = Live ? now.current_step() : now.step;
    const random_key key{now.seed, step, now.first_sample + std::uint32_t(sample), random_use::dropout, now.part};
    return random_word(key, std::uint64_t(element)) >= threshold ? x * T(scale) : T(0);
  }
  template <class T>
  FIRECAFFE_HD T operator()(int sample, int element, T dy, T dx) const {
    return dx + (*this)(sample, element, dy);
  }
};

template <class Device, class Ratio, place In, place Out>
struct implementation<Device, dropout<Ratio>, In, Out> {
  using T = typename Device::scalar;
  using V = typename Device::value;
  static constexpr no_parameters<weight_layout> storage() { return {}; }
  implementation(Device&, int) {}

  // Outside training everything passes, backwards too.
  static auto mask(pass now) {
    constexpr bool live = !Device::host_memory_is_device_memory;
    if (!live) now.step = now.current_step();
    return mask<live>(now);
  }
  template <bool Live>
  static dropout_mask<Live> mask(const pass& now) {
    if (!now.training) return {now, 0, 1.0};
    return {now, std::uint32_t(value_of<Ratio> * 4294967296.0), 1.0 / (1.0 - value_of<Ratio>)};
  }

  void forward(Device& device, tensor_view<const V> x, tensor_view<V> y, no_parameters<const T*>, const pass& now) {
    if (now.training)
      device.transform_indexed(y, mask(now), x);
    else if (x.data != y.data)
      device.copy(y, x);
  }

  void backward(Device& device, tensor_view<const V>, tensor_view<const V>, tensor_view<V> dy, tensor_view<V> dx,
                no_parameters<const T*>, no_parameters<T*>, accumulation adds, const pass& now) {
    if (!dx) return;
    const tensor_view<const V> from = dy;
    if (adds.input)
      device.transform_indexed(dx, mask(now), from, tensor_view<const V>(dx));
    else
      device.transform_indexed(dx, mask(now), from);
  }
};

}  // namespace firecaffe
