#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

// What FireCaffe (arXiv 1511.00175) reports, what was measured on Titan, and how times follow from it. No simulation.
namespace simulate {

inline constexpr double imagenet_images = 1'281'167;  // ILSVRC 2012, training

// A row of the paper's tables of training times. The single GPU of a net is its speedup 1.
struct paper_row {
  std::string_view net;
  int gpus;  // K20, one to a node of Titan
  int batch;
  double epochs;
  double hours;
  double speedup;
};

inline constexpr std::array<paper_row, 7> paper_rows{{{"nin", 1, 256, 47, 5.8 * 24, 1},
                                                      {"nin", 32, 256, 47, 11, 13},
                                                      {"nin", 32, 1024, 47, 6, 23},
                                                      {"nin", 128, 1024, 47, 3.6, 39},
                                                      {"googlenet", 1, 32, 64, 20.5 * 24, 1},
                                                      {"googlenet", 32, 1024, 72, 23.4, 20},
                                                      {"googlenet", 128, 1024, 72, 10.5, 47}}};

constexpr double steps_of(const paper_row& r) { return r.epochs * imagenet_images / r.batch; }
constexpr double step_seconds_of(const paper_row& r) { return r.hours * 3600 / steps_of(r); }
constexpr double hours_of(double step_seconds, double epochs, int batch) {
  return step_seconds * epochs * imagenet_images / batch / 3600;
}

constexpr const paper_row& single_gpu(std::string_view net) {
  for (const paper_row& r : paper_rows)
    if (r.net == net && r.gpus == 1) return r;
  throw "the paper has no single GPU for this net";
}

// Time of a forward and backward pass over a batch.
struct batch_time {
  double batch, seconds;
};

// A GPU takes seconds(b) = c (b + half): with `half` samples it runs at half of its speed on large batches.
struct batch_curve {
  double half = 0;

  constexpr double efficiency(double batch) const { return batch / (batch + half); }
  // The time for `batch` on a device that is known to take known.seconds for known.batch.
  constexpr double seconds(double batch, const batch_time& known) const {
    return known.seconds * (batch + half) / (known.batch + half);
  }
};

// Least squares on a straight line through measured times.
constexpr batch_curve fit_batch_curve(std::span<const batch_time> points) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const batch_time& p : points)
    n += 1, x += p.batch, y += p.seconds, xx += p.batch * p.batch, xy += p.batch * p.seconds;
  const double slope = (n * xy - x * y) / (n * xx - x * x);
  return {(y - slope * x) / n / slope};
}

// GoogLeNet, forward and backward, cuDNN v4, Titan X: the figures in Caffe2's convnet_benchmarks.py. A line fits them
// within 1 %; the smallest batch measured is 16, below which the line is continued.
inline constexpr std::array<batch_time, 4> titan_x_googlenet{{{16, 0.0727}, {32, 0.1275}, {64, 0.2336}, {128, 0.4506}}};
// GoogLeNet, cuDNN v5.1, Tesla K40m (the K20's architecture), in Caffe and in TensorFlow: the figures in PaddlePaddle's
// benchmark/README.md. Used for the range of `half` only, as batches below 64 are missing.
inline constexpr std::array<batch_time, 2> k40_caffe_googlenet{{{64, 0.694}, {128, 1.364}}};
inline constexpr std::array<batch_time, 3> k40_tensorflow_googlenet{{{64, 0.644}, {128, 1.176}, {256, 2.219}}};

// Bandwidth measured on Titan: size of the message over the time for all, in B/s.
struct bandwidth_point {
  int nodes;
  double bandwidth;
};
inline constexpr std::array<bandwidth_point, 5> titan_allreduce{
    // the vendor's MPI_Allreduce
    {{2, 2.5e9}, {32, .52e9}, {64, .51e9}, {128, .49e9}, {256, .47e9}}};
inline constexpr std::array<bandwidth_point, 4> titan_to_one_root{// nodes - 1 workers sending to the root
                                                                  {{2, 5.3e9}, {8, .72e9}, {16, .21e9}, {32, .085e9}}};

// Sums per second, in bytes, from an allreduce of two nodes that swap halves, add, and swap the sums:
// 1 / effective = 1 / bandwidth + 1 / (2 rate).
constexpr double add_rate_from_pair(double bandwidth, double effective) {
  return 1 / (2 * (1 / effective - 1 / bandwidth));
}

// The root takes in bandwidth / (1 + k (n - 1)) from n senders, each of whom then sees 1/n of it.
constexpr double incast_bandwidth(double bandwidth, double k, int senders) {
  return bandwidth / (1 + k * (senders - 1)) / senders;
}

// The k with the least sum of squared logarithms of (model / measured).
inline double fit_incast(double bandwidth, std::span<const bandwidth_point> points) {
  const auto badness = [&](double k) {
    double sum = 0;
    for (const bandwidth_point& p : points) {
      const double error = std::log(incast_bandwidth(bandwidth, k, p.nodes - 1) / p.bandwidth);
      sum += error * error;
    }
    return sum;
  };
  double low = 0, high = 1;
  for (int i = 0; i < 100; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    (badness(a) < badness(b) ? high : low) = badness(a) < badness(b) ? b : a;
  }
  return (low + high) / 2;
}

}  // namespace simulate
