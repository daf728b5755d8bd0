#include "../../bench/simulate/paper.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace simulate;

TEST_CASE("hours follow from steps, and back") {
  for (const paper_row& r : paper_rows) {
    CAPTURE(r.net);
    CAPTURE(r.gpus);
    CHECK(hours_of(step_seconds_of(r), r.epochs, r.batch) == doctest::Approx(r.hours));
  }
  // 47 epochs of 1,281,167 images in batches of 256 are 235,214 steps; in 5.8 days that is 2.1305 s a step.
  CHECK(steps_of(single_gpu("nin")) == doctest::Approx(235214).epsilon(1e-5));
  CHECK(step_seconds_of(single_gpu("nin")) == doctest::Approx(2.1305).epsilon(1e-4));
  CHECK(single_gpu("googlenet").batch == 32);
}

TEST_CASE("the paper's speedups are its own times divided, rounded") {
  for (const paper_row& r : paper_rows) {
    CAPTURE(r.net);
    CAPTURE(r.gpus);
    CHECK(single_gpu(r.net).hours / r.hours == doctest::Approx(r.speedup).epsilon(0.06));
  }
}

TEST_CASE("a batch curve is recovered from points on it") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> some(0.1, 20);
  const double half = some(random), slope = some(random);
  std::vector<batch_time> points;
  for (int i = 0; i < 6; ++i) {
    const double b = 8 * (i + 1) + some(random);
    points.push_back({b, slope * (b + half)});
  }
  const batch_curve found = fit_batch_curve(points);
  CHECK(found.half == doctest::Approx(half).epsilon(1e-6));
  CHECK(found.efficiency(half) == doctest::Approx(0.5).epsilon(1e-6));
  for (const batch_time& p : points)
    CHECK(found.seconds(p.batch, points[0]) == doctest::Approx(p.seconds).epsilon(1e-6));
}

TEST_CASE("the published curve is a line within a percent, with a half batch between those of the K40m") {
  const batch_curve curve = fit_batch_curve(titan_x_googlenet);
  for (const batch_time& p : titan_x_googlenet)
    CHECK(curve.seconds(p.batch, titan_x_googlenet[3]) == doctest::Approx(p.seconds).epsilon(0.01));
  CHECK(curve.half > fit_batch_curve(k40_caffe_googlenet).half);
  CHECK(curve.half < fit_batch_curve(k40_tensorflow_googlenet).half);
}

TEST_CASE("Titan's parameters give back what they were taken from") {
  const double bandwidth = 5.3e9, rate = add_rate_from_pair(bandwidth, 2.5e9);
  CHECK(1 / (1 / bandwidth + 1 / (2 * rate)) == doctest::Approx(2.5e9));
  CHECK(incast_bandwidth(bandwidth, 0.3, 1) == bandwidth);

  const double k = fit_incast(bandwidth, titan_to_one_root);
  const auto badness = [&](double at) {
    double sum = 0;
    for (const bandwidth_point& p : titan_to_one_root)
      sum += std::pow(std::log(incast_bandwidth(bandwidth, at, p.nodes - 1) / p.bandwidth), 2);
    return sum;
  };
  CHECK(badness(k) < badness(0.98 * k));
  CHECK(badness(k) < badness(1.02 * k));

  std::vector<bandwidth_point> exact;
  for (const int nodes : {2, 5, 9, 40}) exact.push_back({nodes, incast_bandwidth(bandwidth, 0.07, nodes - 1)});
  CHECK(fit_incast(bandwidth, exact) == doctest::Approx(0.07).epsilon(1e-6));
}
