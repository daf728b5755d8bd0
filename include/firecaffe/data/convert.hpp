#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "image.hpp"

namespace firecaffe::data {

// How an image becomes the values of a sample: scale * (x - mean), columns in reverse where it is mirrored.
struct conversion {
  float scale = 1;
  const float* mean_values = nullptr;  // one a channel
  const float* mean = nullptr;         // instead: of the first pixel; rows contiguous
  std::ptrdiff_t mean_channel = 0, mean_row = 0;
  bool mirror = false;
};

// `Pixel` is the stride, 0 for one known at run time only: compilers make vector code for fixed ones.
template <int Pixel, class T>
void convert_row(const T* in, std::ptrdiff_t stride, int width, float scale, float mean, float* out) {
  const std::ptrdiff_t step = Pixel > 0 ? Pixel : stride;
  for (int x = 0; x < width; ++x) out[x] = scale * (static_cast<float>(in[x * step]) - mean);
}

template <class T>
void convert_row(const T* in, std::ptrdiff_t stride, int width, float scale, float mean, float* out) {
  if (stride == 1)
    convert_row<1>(in, 0, width, scale, mean, out);
  else if (stride == 3)
    convert_row<3>(in, 0, width, scale, mean, out);
  else
    convert_row<0>(in, stride, width, scale, mean, out);
}

template <class T>
void convert(const image_view& v, const T* first, const conversion& c, float* values) {
  for (int y = 0; y < v.height; ++y) {
    for (int k = 0; k < v.channels; ++k) {
      const T* in = first + k * v.channel + y * v.row;
      float* out = values + (std::ptrdiff_t{k} * v.height + y) * v.width;
      convert_row(in, v.pixel, v.width, c.mean ? 1.0f : c.scale, c.mean ? 0.0f : c.mean_values[k], out);
      if (c.mean) {
        const float* mean = c.mean + k * c.mean_channel + y * c.mean_row;
        for (int x = 0; x < v.width; ++x) out[x] = c.scale * (out[x] - mean[x]);
      }
      if (c.mirror) std::reverse(out, out + v.width);
    }
  }
}

// Writes the view's values as (C, H, W).
inline void convert(const image_view& v, const conversion& c, float* values) {
  if (v.bytes)
    convert(v, v.bytes, c, values);
  else
    convert(v, v.floats, c, values);
}

}  // namespace firecaffe::data
