#pragma once

#include <cstdint>
#include <type_traits>

#include "device.hpp"
#include "vector.hpp"

namespace firecaffe {

// How layers with numbers for each channel walk over values. A unit is a block of `Channels` channels; its planes are
// walked in vectors of `Width` lanes, the channels of the block. Up to four channels lie as (C, H, W): a unit is one
// channel, and the lanes are its pixels, where they fill vectors. Shapes are known when it runs only, so that a
// layer may be compiled once and not for each of them, as batch_norm.hpp is.
template <int Width, int Channels>
struct channel_units {
  static constexpr int width = Width, block = Channels, spread = Width / Channels;
  int channels, pixels, units = (channels + block - 1) / block;
  int steps = pixels / spread;                                                   // vectors of a plane
  int pieces = (steps + 255) / 256, piece_size = (steps + pieces - 1) / pieces;  // of a plane
  int together = 256 / piece_size;                                               // samples of a piece
  std::ptrdiff_t in_outer, out_outer, in_sample, out_sample;

  constexpr channel_units(const place& in, const place& out)
      : channels(in.extents.channels),
        pixels(in.extents.pixels()),
        in_outer(in.strides.outer),
        out_outer(out.strides.outer),
        in_sample(in.strides.sample),
        out_sample(out.strides.sample) {}

  using vec = std::conditional_t<width == 1, float, vector<width>>;  // a vector of one lane is slow to compute with
  template <class T>
  static auto& at(T* p) {
    if constexpr (width == 1)
      return *p;
    else
      return vector_at<width>(p);
  }
  static float get(const vec& v, int lane) {
    if constexpr (width == 1)
      return v;
    else
      return v[lane];
  }
  static void set(vec& v, int lane, float value) {
    if constexpr (width == 1)
      v = value;
    else
      v[lane] = value;
  }

  std::ptrdiff_t in_unit(int unit) const { return unit * in_outer; }
  std::ptrdiff_t out_unit(int unit) const { return unit * out_outer; }

  // Parameters by channel, padded to whole blocks.
  constexpr weight_layout storage() const {
    weight_layout l = canonical_layout(channels, 1, 1);
    l.extent = std::size_t(units) * block;
    return l;
  }
  static void load(const float* parameter, int unit, vec& out) {
    if constexpr (block > 1)
      out = vector_at<width>(parameter + unit * block);
    else
      out = vec{} + parameter[unit];
  }

  // f(unit, parts), on the device's threads: units side by side with one part each, or, where they are few, one after
  // the other in a part for each thread.
  template <class F>
  static void for_each_unit(int threads, int count, F f) {
    const int parts = count % threads == 0 || count > 4 * threads ? 1 : threads;
    if (parts > 1 || threads == 1) {  // OpenMP would make threads anew for every loop within a loop
      for (int i = 0; i < count; ++i) f(i, parts);
      return;
    }
#pragma omp parallel for num_threads(threads)
    for (int i = 0; i < count; ++i) f(i, 1);
  }
  // f(part), side by side.
  template <class F>
  static void for_each_part(int parts, F f) {
    if (parts == 1) return f(0);
#pragma omp parallel for num_threads(parts) schedule(static, 1)
    for (int part = 0; part < parts; ++part) f(part);
  }

  // Some 256 vectors: what a sum in single precision may be trusted with, and what stays in the first cache.
  struct piece {
    int first_sample, last_sample, first, last;  // vectors of each sample's plane
    std::ptrdiff_t in_sample, out_sample;
    double count() const { return double(last_sample - first_sample) * (last - first); }

    // f(elements from the unit's place in sample 0 of In, of Out, and of one that lies as Out does, but for `sample`
    // elements from sample to sample)
    template <class F>
    void for_each_vector(std::ptrdiff_t sample, F f) const {
      for (int n = first_sample; n < last_sample; ++n)
        for (int v = first; v < last; ++v)
          f(n * in_sample + v * width, n * out_sample + v * width, n * sample + v * width);
    }
    // f(the first two)
    template <class F>
    void for_each_vector(F f) const {
      for_each_vector(0, [&](std::ptrdiff_t in, std::ptrdiff_t out, std::ptrdiff_t) { f(in, out); });
    }
  };

  // f(piece) for the pieces of one part of the samples [first, last), in order.
  template <class F>
  void for_each_piece(int first, int last, int part, int parts, F f) const {
    const std::int64_t count = std::int64_t{(last - first + together - 1) / together} * pieces;
    for (std::int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
      const int n = first + int(i / pieces) * together, v = int(i % pieces) * piece_size;
      f(piece{n, n + together < last ? n + together : last, v, v + piece_size < steps ? v + piece_size : steps,
              in_sample, out_sample});
    }
  }

  // The same for all parts, side by side.
  template <class F>
  void for_each_piece(int first, int last, int parts, F f) const {
    for_each_part(parts, [&](int part) { for_each_piece(first, last, part, parts, f); });
  }

  // sums[i * width + lane] = what f(piece, vec*) writes to its `Count` vectors: piece by piece in single precision,
  // then in double. `shares` has room for the sums of each part. Lanes that belong to one channel all get its sum.
  template <int Count, class F>
  void add_up(int first, int last, int parts, double* shares, double* sums, F f) const {
    constexpr int numbers = Count * width;
    for_each_part(parts, [&](int part) {
      double total[numbers] = {};
      for_each_piece(first, last, part, parts, [&](const piece& here) {
        vec vectors[Count] = {};
        f(here, vectors);
        for (int i = 0; i < numbers; ++i) total[i] += double(get(vectors[i / width], i % width));
      });
      double* share = parts > 1 ? shares + part * numbers : sums;
      for (int i = 0; i < numbers; ++i) share[i] = total[i];
    });
    for (int i = 0; i < numbers && parts > 1; ++i) {
      sums[i] = 0;
      for (int part = 0; part < parts; ++part) sums[i] += shares[part * numbers + i];
    }
    for (int i = 0; i < Count && spread > 1; ++i) {
      double sum = 0;
      for (int l = 0; l < width; ++l) sum += sums[i * width + l];
      for (int l = 0; l < width; ++l) sums[i * width + l] = sum;
    }
  }

  // f(channel, lane) for the channels of a unit.
  template <class F>
  void for_each_channel(int unit, F f) const {
    for (int l = 0; l < block && unit * block + l < channels; ++l) f(unit * block + l, l);
  }
};

// The units of a value.
template <int Block, place In>
using channel_units_of = channel_units<(In.strides.block > 1               ? In.strides.block
                                        : In.extents.pixels() % Block == 0 ? Block
                                                                           : 1),
                                       In.strides.block>;

}  // namespace firecaffe
