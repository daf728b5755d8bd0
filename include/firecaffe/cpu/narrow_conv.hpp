#pragma once

#include "../layers/pointwise.hpp"
#include "device.hpp"
#include "vector.hpp"

namespace firecaffe {

// Direct convolution for channel counts that vendor kernels are poor at (LeNet's 1, 20 and 50): stride 1, no padding,
// no groups, everything about the geometry known to the compiler. Only output lanes are padded to whole vectors; input
// channels are counted exactly. All three passes keep a tile of accumulators in registers:
//   forward   tile of output pixels x channel blocks, over inputs and taps
//   dx        tile of input pixels x channel blocks, over outputs, tap by tap
//   dw        tile of taps x channel blocks, over the pixels of a sample
// Weights lie as (I, K, O padded); dx reads a transposed copy (K, O, I padded), made once per pass.

struct tile {
  int rows, blocks;
};

// The register tile with the fewest issue slots: an FMA needs half a cycle and so does a load.
constexpr tile choose_tile(int rows, int blocks, int registers) {
  tile best{1, 1};
  double best_cost = 1e30;
  for (int b = 1; b <= blocks && b <= 4; ++b)
    for (int r = 1; r <= rows && r <= 14; ++r) {
      if (r * b + b + 1 > registers) continue;
      auto pass = [](int pr, int pb) { return double(pr * pb > pr + pb ? pr * pb : pr + pb) + 1; };
      const int full_r = rows / r, rest_r = rows % r, full_b = blocks / b, rest_b = blocks % b;
      const double cost = full_r * (full_b * pass(r, b) + (rest_b ? pass(r, rest_b) : 0)) +
                          (rest_r ? full_b * pass(rest_r, b) + (rest_b ? pass(rest_r, rest_b) : 0) : 0);
      if (cost < best_cost) best = {r, b}, best_cost = cost;
    }
  return best;
}

template <int Lanes, shape In, layout InLayout, shape Out, int KernelH, int KernelW>
struct narrow_conv {
  using vec = vector<Lanes>;
  static constexpr int inputs = In.channels, outputs = Out.channels;
  static constexpr int in_blocks = (inputs + Lanes - 1) / Lanes, out_blocks = (outputs + Lanes - 1) / Lanes;
  static constexpr int taps = KernelH * KernelW, padded_outputs = out_blocks * Lanes, padded_inputs = in_blocks * Lanes;
  static constexpr int in_pixels = In.pixels(), out_pixels = Out.pixels();
  static constexpr int registers = Lanes >= 16 ? 32 : 16;
  static constexpr std::size_t weight_elements = std::size_t(inputs) * taps * padded_outputs;

  static constexpr weight_layout storage() {
    return {outputs, inputs,         taps,           Lanes, 1, Lanes, 1, std::ptrdiff_t{taps} * padded_outputs,
            0,       padded_outputs, weight_elements};
  }

  // One sample. `bias` is padded with zeros.
  template <class Activation>
  static void forward(const float* x, float* y, const float* w, const float* bias) {
    constexpr tile t = choose_tile(Out.width, out_blocks, registers);
    constexpr int whole = out_blocks / t.blocks * t.blocks;
    for (int h = 0; h < Out.height; ++h) {
      for (int first = 0; first < whole; first += t.blocks)
        forward_row<t.rows, t.blocks, Activation>(x, y, w, bias, first, h);
      if constexpr (whole < out_blocks) forward_row<t.rows, out_blocks - whole, Activation>(x, y, w, bias, whole, h);
    }
  }

  // One sample: dx is written, or added to. `wt` is the transposed copy of the weights.
  static void backward_input(float* dx, const float* dy, const float* wt, bool add) {
    constexpr tile t = choose_tile(Out.width, in_blocks, registers);
    if (!add) std::memset(dx, 0, sizeof(float) * std::size_t(in_blocks) * Lanes * in_pixels);
    constexpr int whole = in_blocks / t.blocks * t.blocks;
    for (int k = 0; k < taps; ++k)
      for (int h = 0; h < Out.height; ++h) {
        for (int first = 0; first < whole; first += t.blocks)
          backward_input_row<t.rows, t.blocks>(dx, dy, wt, first, k, h);
        if constexpr (whole < in_blocks) backward_input_row<t.rows, in_blocks - whole>(dx, dy, wt, whole, k, h);
      }
  }

  static void transpose(const float* w, float* wt) {
    for (int k = 0; k < taps; ++k)
      for (int o = 0; o < outputs; ++o)
        for (int i = 0; i < padded_inputs; ++i)
          wt[(k * outputs + o) * padded_inputs + i] = i < inputs ? w[(i * taps + k) * padded_outputs + o] : 0.0f;
  }

  // One sample, added to dw.
  static void backward_weight(const float* x, const float* dy, float* dw) {
    constexpr tile t = weight_tile();
    constexpr int whole = out_blocks / t.blocks * t.blocks;
    for (int first = 0; first < whole; first += t.blocks) backward_weight_blocks<t.rows, t.blocks>(x, dy, dw, first);
    if constexpr (whole < out_blocks) backward_weight_blocks<t.rows, out_blocks - whole>(x, dy, dw, whole);
  }

 private:
  static const float* input_at(const float* x, int channel, int pixel) {
    return x + InLayout.offset(0, channel, pixel);
  }
  static auto& at(const float* p) { return vector_at<Lanes>(p); }
  static auto& at(float* p) { return vector_at<Lanes>(p); }

  template <int Rows, int Blocks, class Activation>
  static void forward_row(const float* x, float* y, const float* w, const float* bias, int first, int h) {
    int column = 0;
    for (; column + Rows <= Out.width; column += Rows)
      forward_tile<Rows, Blocks, Activation>(x, y, w, bias, first, h, column);
    if constexpr (Out.width % Rows != 0)
      forward_tile<Out.width % Rows, Blocks, Activation>(x, y, w, bias, first, h, column);
  }

  template <int Rows, int Blocks, class Activation>
  static void forward_tile(const float* x, float* y, const float* w, const float* bias, int first, int h, int column) {
    vec sum[Rows][Blocks];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
      for (int b = 0; b < Blocks; ++b) sum[r][b] = at(bias + (first + b) * Lanes);
    w += first * Lanes;
    for (int i = 0; i < inputs; ++i)
      for (int kh = 0; kh < KernelH; ++kh) {
        const float* row = input_at(x, i, (h + kh) * In.width + column);
        for (int kw = 0; kw < KernelW; ++kw, w += padded_outputs, row += InLayout.pixel) {
          vec wide[Blocks];
#pragma GCC unroll 4
          for (int b = 0; b < Blocks; ++b) wide[b] = at(w + b * Lanes);
#pragma GCC unroll 16
          for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
            for (int b = 0; b < Blocks; ++b) sum[r][b] += wide[b] * row[r * InLayout.pixel];
        }
      }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
      for (int b = 0; b < Blocks; ++b) {
        if constexpr (!std::is_same_v<Activation, identity>)
          for (int lane = 0; lane < Lanes; ++lane) sum[r][b][lane] = Activation::value(sum[r][b][lane]);
        at(y + ((first + b) * out_pixels + h * Out.width + column + r) * Lanes) = sum[r][b];
      }
  }

  template <int Rows, int Blocks>
  static void backward_input_row(float* dx, const float* dy, const float* wt, int first, int k, int h) {
    int column = 0;
    for (; column + Rows <= Out.width; column += Rows)
      backward_input_tile<Rows, Blocks>(dx, dy, wt, first, k, h, column);
    if constexpr (Out.width % Rows != 0) backward_input_tile<Out.width % Rows, Blocks>(dx, dy, wt, first, k, h, column);
  }

  template <int Rows, int Blocks>
  static void backward_input_tile(float* dx, const float* dy, const float* wt, int first, int k, int h, int column) {
    float* to = dx + (first * in_pixels + (h + k / KernelW) * In.width + column + k % KernelW) * Lanes;
    vec sum[Rows][Blocks];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
      for (int b = 0; b < Blocks; ++b) sum[r][b] = at(to + (b * in_pixels + r) * Lanes);
    const float* w = wt + k * outputs * padded_inputs + first * Lanes;
    for (int ob = 0; ob < out_blocks; ++ob) {
      const float* from = dy + (ob * out_pixels + h * Out.width + column) * Lanes;
      const int lanes = ob + 1 < out_blocks ? Lanes : outputs - ob * Lanes;
      for (int lane = 0; lane < lanes; ++lane, w += padded_inputs) {
        vec wide[Blocks];
#pragma GCC unroll 4
        for (int b = 0; b < Blocks; ++b) wide[b] = at(w + b * Lanes);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
          for (int b = 0; b < Blocks; ++b) sum[r][b] += wide[b] * from[r * Lanes + lane];
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
      for (int b = 0; b < Blocks; ++b) at(to + (b * in_pixels + r) * Lanes) = sum[r][b];
  }

  // Rows of a kernel and channel blocks whose accumulators fit the registers.
  static constexpr tile weight_tile() {
    tile best{1, 1};
    double best_cost = 1e30;
    for (int b = 1; b <= out_blocks && b <= 4; ++b)
      for (int r = 1; r <= KernelH; ++r) {
        const int rows = r * KernelW;
        if (rows * b + b + 1 > registers) continue;
        const double cost = double((KernelH + r - 1) / r) * ((out_blocks + b - 1) / b) *
                            (double(rows * b > rows + b ? rows * b : rows + b) + 1);
        if (cost < best_cost) best = {r, b}, best_cost = cost;
      }
    return best;
  }

  template <int Rows, int Blocks>
  static void backward_weight_blocks(const float* x, const float* dy, float* dw, int first) {
    constexpr int whole = KernelH / Rows * Rows;
    for (int i = 0; i < inputs; ++i) {
      for (int kh = 0; kh < whole; kh += Rows) backward_weight_tile<Rows, Blocks>(x, dy, dw, first, i, kh);
      if constexpr (whole < KernelH) backward_weight_tile<KernelH - whole, Blocks>(x, dy, dw, first, i, whole);
    }
  }

  template <int Rows, int Blocks>
  static void backward_weight_tile(const float* x, const float* dy, float* dw, int first, int i, int kh) {
    vec sum[Rows * KernelW][Blocks] = {};
    for (int h = 0; h < Out.height; ++h)
      for (int column = 0; column < Out.width; ++column) {
        const float* row = input_at(x, i, (h + kh) * In.width + column);
        vec wide[Blocks];
#pragma GCC unroll 4
        for (int b = 0; b < Blocks; ++b) wide[b] = at(dy + ((first + b) * out_pixels + h * Out.width + column) * Lanes);
#pragma GCC unroll 32
        for (int k = 0; k < Rows * KernelW; ++k) {
          const float value = row[(k / KernelW * In.width + k % KernelW) * InLayout.pixel];
#pragma GCC unroll 4
          for (int b = 0; b < Blocks; ++b) sum[k][b] += wide[b] * value;
        }
      }
    float* to = dw + (i * taps + kh * KernelW) * padded_outputs + first * Lanes;
#pragma GCC unroll 32
    for (int k = 0; k < Rows * KernelW; ++k)
#pragma GCC unroll 4
      for (int b = 0; b < Blocks; ++b) {
        float* p = to + k * padded_outputs + b * Lanes;
        at(p) += sum[k][b];
      }
  }
};

}  // namespace firecaffe
