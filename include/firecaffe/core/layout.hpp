#pragma once

#include <cstddef>

#include "host_device.hpp"
#include "shape.hpp"

namespace firecaffe {

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Where a value's elements lie: channels come in blocks, the channels of a block are adjacent. Strides in elements.
// (N, C, H, W) is block 1; (N, H, W, C) is one block of all channels; oneDNN's nChw8c is block 8.
// A slice of a larger value (a branch of `concat`) has the strides of the whole.
struct layout {
  int block = 1;
  std::ptrdiff_t sample = 0, outer = 0, pixel = 1;

  // The offset of channel `c` at pixel `p` (row-major over depth, height, width) of sample `n`.
  FIRECAFFE_HD constexpr std::ptrdiff_t offset(int n, int c, int p) const {
    return n * sample + (c / block) * outer + p * pixel + c % block;
  }
  friend constexpr bool operator==(const layout&, const layout&) = default;
};

// A value that stands alone, its channels padded to whole blocks.
constexpr layout blocked_layout(shape s, int block) {
  const std::ptrdiff_t plane = std::ptrdiff_t{s.pixels()} * block;
  return {block, (s.channels + block - 1) / block * plane, plane, block};
}

// Where a weight's elements lie: output and input channels both come in blocks. Canonical order is (O, I, K), with K
// the taps of a kernel (or the pixels of a dense layer's input). Padding is counted in `extent`, and is always zero.
struct weight_layout {
  int outputs = 1, inputs = 1, taps = 1;  // canonical extents
  int output_block = 1, input_block = 1;
  std::ptrdiff_t output_outer = 0, output_inner = 0, input_outer = 0, input_inner = 0, tap = 0;  // strides in elements
  std::size_t extent = 0;  // stored elements, padding included

  constexpr std::size_t canonical() const { return std::size_t(outputs) * std::size_t(inputs) * std::size_t(taps); }
  constexpr std::ptrdiff_t offset(int o, int i, int k) const {
    return (o / output_block) * output_outer + (o % output_block) * output_inner + (i / input_block) * input_outer +
           (i % input_block) * input_inner + k * tap;
  }
  friend constexpr bool operator==(const weight_layout&, const weight_layout&) = default;
};

// (O, I, K) as published, without padding.
constexpr weight_layout canonical_layout(int outputs, int inputs, int taps) {
  return {outputs,
          inputs,
          taps,
          1,
          1,
          std::ptrdiff_t{inputs} * taps,
          0,
          taps,
          0,
          1,
          std::size_t(outputs) * std::size_t(inputs) * std::size_t(taps)};
}

// Copies between canonical and stored order. `From` and `To` may differ in type (float, double).
template <class From, class To>
void store_weights(const weight_layout& l, const From* canonical, To* stored) {
  for (std::size_t i = 0; i < l.extent; ++i) stored[i] = To{};
  for (int o = 0; o < l.outputs; ++o)
    for (int i = 0; i < l.inputs; ++i)
      for (int k = 0; k < l.taps; ++k) stored[l.offset(o, i, k)] = static_cast<To>(*canonical++);
}

template <class From, class To>
void load_weights(const weight_layout& l, const From* stored, To* canonical) {
  for (int o = 0; o < l.outputs; ++o)
    for (int i = 0; i < l.inputs; ++i)
      for (int k = 0; k < l.taps; ++k) *canonical++ = static_cast<To>(stored[l.offset(o, i, k)]);
}

}  // namespace firecaffe
