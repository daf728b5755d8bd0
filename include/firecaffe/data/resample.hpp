#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "image.hpp"

namespace firecaffe::data {

// A rectangle of an image, edges between pixels or inside of them.
struct box {
  double top = 0, left = 0, height = 0, width = 0;
};

// For each output pixel of one axis, which input pixels make it up. Bilinear: a triangle of half-width max(1, s) around
// the centre (i + 1/2) s + offset, with s input pixels to an output pixel; weights add up to 1. Where s <= 1 this is
// linear interpolation; where s > 1 every input pixel counts, so that nothing aliases.
struct axis_weights {
  std::vector<int> first;
  std::vector<float> weight;  // `taps` for each output pixel, 0 where there are fewer
  int taps = 0;

  void make(double offset, double length, int in, int out) {
    const double s = length / out, half = std::max(1.0, s);
    taps = std::min(in, static_cast<int>(std::ceil(2 * half)));  // centres of pixels in an open interval of 2 half
    first.resize(static_cast<std::size_t>(out));
    weight.assign(static_cast<std::size_t>(out) * static_cast<std::size_t>(taps), 0.0f);
    float* w = weight.data();
    for (int i = 0; i < out; ++i, w += taps) {
      const double centre = (i + 0.5) * s + offset;
      const int from = std::clamp(static_cast<int>(std::floor(centre - half - 0.5)) + 1, 0, in - taps);
      double sum = 0;
      for (int t = 0; t < taps; ++t) sum += std::max(0.0, 1 - std::abs(from + t + 0.5 - centre) / half);
      for (int t = 0; t < taps; ++t)
        w[t] = static_cast<float>(std::max(0.0, 1 - std::abs(from + t + 0.5 - centre) / half) / sum);
      first[static_cast<std::size_t>(i)] = from;
    }
  }
};

struct resample_scratch {
  axis_weights rows, columns;
  std::vector<float> line, result;
};

// One row, `Channels` of them at once.
template <int Channels>
void resample_row(const axis_weights& columns, const float* from, std::ptrdiff_t pixel, std::ptrdiff_t channel,
                  int width, float* out, std::ptrdiff_t plane) {
  const float* along = columns.weight.data();
  for (int x = 0; x < width; ++x, along += columns.taps) {
    const float* in = from + columns.first[static_cast<std::size_t>(x)] * pixel;
    float sum[Channels] = {};
    for (int t = 0; t < columns.taps; ++t)
      for (int c = 0; c < Channels; ++c) sum[c] += along[t] * in[t * pixel + c * channel];
    for (int c = 0; c < Channels; ++c) out[c * plane + x] = sum[c];
  }
}

template <class T>
void resample(const image_view& v, const T* first, int height, int width, resample_scratch& s) {
  const auto channel = std::abs(v.channel), pixel = std::abs(v.pixel);
  // Interleaved channels go through the rows together, planes one by one.
  const bool together = channel * (v.channels - 1) < pixel;
  const std::ptrdiff_t span = (v.width - 1) * pixel + (together ? channel * (v.channels - 1) : 0) + 1;
  s.line.resize(static_cast<std::size_t>(span));
  float* line = s.line.data();
  for (int k = 0; k < v.channels; k += together ? v.channels : 1) {
    const T* low = first + k * v.channel + std::min<std::ptrdiff_t>(0, (v.width - 1) * v.pixel) +
                   (together ? std::min<std::ptrdiff_t>(0, (v.channels - 1) * v.channel) : 0);
    for (int y = 0; y < height; ++y) {
      const float* down = s.rows.weight.data() + std::ptrdiff_t{y} * s.rows.taps;
      std::fill_n(line, span, 0.0f);
      for (int t = 0; t < s.rows.taps; ++t) {
        if (down[t] == 0) continue;
        const T* in = low + (s.rows.first[static_cast<std::size_t>(y)] + t) * v.row;
        const float weight = down[t];
        for (std::ptrdiff_t i = 0; i < span; ++i) line[i] += weight * static_cast<float>(in[i]);
      }
      const float* from = line + (first + k * v.channel - low);
      float* out = s.result.data() + (std::ptrdiff_t{k} * height + y) * width;
      const std::ptrdiff_t plane = std::ptrdiff_t{height} * width;
      if (together && v.channels == 3)
        resample_row<3>(s.columns, from, v.pixel, v.channel, width, out, plane);
      else
        for (int j = 0; j < (together ? v.channels : 1); ++j)
          resample_row<1>(s.columns, from + j * v.channel, v.pixel, 0, width, out + j * plane, 0);
    }
  }
}

// The pixels of the view inside the box as a (C, height, width) image of floats, bilinear as said at axis_weights. The
// result lies in the scratch.
inline image_view resample(const image_view& v, const box& b, int height, int width, resample_scratch& s) {
  s.rows.make(b.top, b.height, v.height, height);
  s.columns.make(b.left, b.width, v.width, width);
  s.result.resize(static_cast<std::size_t>(v.channels) * static_cast<std::size_t>(height) *
                  static_cast<std::size_t>(width));
  if (v.bytes)
    resample(v, v.bytes, height, width, s);
  else
    resample(v, v.floats, height, width, s);
  image_view out = planar_view(v.channels, height, width);
  out.floats = s.result.data();
  return out;
}

}  // namespace firecaffe::data
