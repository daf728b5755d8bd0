#include "firecaffe/cpu/batch_norm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "firecaffe/layers/losses.hpp"
#include "firecaffe/network/model.hpp"

namespace fc = firecaffe;

// Values with a mean of some 1000 deviations, and channels as unlike as can be; the passes as an application makes
// them.
template <int Channels, int Height, int Depth>
struct volume {
  static constexpr fc::shape extents{Channels, Height, 7, Depth};
};

template <class Device, class Input, class... Options>
struct statistics {
  struct net : fc::network<Input, fc::batch_norm<Options...>, fc::relu, fc::euclidean_loss> {};
  static constexpr int channels = Input::extents.channels, pixels = Input::extents.pixels(), samples = 11;
  fc::model<net, Device, fc::plan_options{true, true}> m;
  std::vector<float> x, targets;

  explicit statistics(int threads) : m(Device{threads}, samples) {
    for (int n = 0; n < samples; ++n)
      for (int c = 0; c < channels; ++c)
        for (int p = 0; p < pixels; ++p) {
          const double u = fc::random_unit({17, 0, 0, fc::random_use::test, 0}, x.size());
          x.push_back(float(c % 3 == 0 ? 1000 + u : c % 3 == 1 ? std::ldexp(u, c - 20) : 5.0));
        }
    targets.resize(x.size());
  }
  double at(int n, int c, int p) const { return double(x[std::size_t((n * channels + c) * pixels + p)]); }

  // Of samples [first, last): mean, variance.
  std::pair<double, double> of(int c, int first, int last) const {
    double mean = 0, variance = 0, count = double(last - first) * pixels;
    for (int n = first; n < last; ++n)
      for (int p = 0; p < pixels; ++p) mean += at(n, c, p) / count;
    for (int n = first; n < last; ++n)
      for (int p = 0; p < pixels; ++p) variance += (at(n, c, p) - mean) * (at(n, c, p) - mean) / count;
    return {mean, variance};
  }

  void run(int grain) {
    const fc::pass now{.training = true};
    m.load(x.data(), samples);
    m.load_targets(targets.data());
    m.forward(now);
    const auto y = m.output();
    m.backward(1.0 / 22, now);  // half of the global batch
    const auto means = m.gradient_values(2), variances = m.gradient_values(3);
    for (int c = 0; c < channels; ++c) {
      double mean = 0, variance = 0;
      for (int first = 0; first < samples; first += grain) {
        const int last = first + grain < samples ? first + grain : samples;
        const auto [here, square] = of(c, first, last);
        const double count = (last - first) * pixels;
        mean += here * (last - first) / 22, variance += square * count / (count - 1) * (last - first) / 22;
        double worst = 0;
        for (int n = first; n < last; ++n)
          for (int p = 0; p < pixels; ++p) {
            const double z = (at(n, c, p) - here) / std::sqrt(square + 1e-5);
            worst =
                std::fmax(worst, std::fabs(double(y[std::size_t((n * channels + c) * pixels + p)]) - std::fmax(z, 0)));
          }
        CHECK(worst < (c % 3 == 0 ? 5e-4 : 1e-5));  // 1000 + u has four digits of u
      }
      CHECK(double(means[std::size_t(c)]) == doctest::Approx(mean).epsilon(1e-6));
      CHECK(std::fabs(double(variances[std::size_t(c)]) - variance) <= 2e-6 * variance + 1e-12);
    }
  }
};

TEST_CASE_TEMPLATE("statistics are those of an independent loop", Device, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  for (int threads : {1, 2, 5}) {
    statistics<Device, fc::input<21, 5, 7>>(threads).run(11);
    statistics<Device, volume<21, 10, 5>>(threads).run(11);    // planes of more than one piece
    statistics<Device, fc::input<3, 16, 7>>(threads).run(11);  // a channel's pixels side by side
    statistics<Device, volume<3, 5, 3>>(threads).run(11);      // and where they do not fill vectors
    statistics<Device, fc::input<16, 9, 7>, fc::grain<4>>(threads).run(4);
  }
}

TEST_CASE("groups and a short last one are normalised apart, whatever else is in the pass") {
  using layer = fc::batch_norm<fc::grain<2>>;
  struct net : fc::network<fc::input<5, 3, 3>, layer, fc::euclidean_loss> {};
  fc::model<net, fc::basic_cpu<8>, fc::plan_options{true, true}> m(fc::basic_cpu<8>{1}, 5);
  std::vector<float> x(5 * 45), targets(5 * 45, 0.25f);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(fc::random_unit({3, 0, 0, fc::random_use::test, 0}, i));
  auto run = [&](int first, int samples, std::vector<float>& y, std::vector<float>& dx) {
    m.load(x.data() + first * 45, samples);
    m.load_targets(targets.data());
    m.forward({.training = true});
    for (float v : m.output()) y.push_back(v);
    m.backward(0.2, {.training = true});
    for (float v : m.gradient(0)) dx.push_back(v);
  };
  std::vector<float> whole, parts, slope, slope_of_parts;
  run(0, 5, whole, slope);
  for (int first : {0, 2, 4}) run(first, first < 4 ? 2 : 1, parts, slope_of_parts);
  CHECK(whole == parts);
  CHECK(slope == slope_of_parts);
}

TEST_CASE("a pass without samples leaves zeros, or what was there") {
  struct net : fc::network<fc::input<20, 2, 2>, fc::batch_norm<>, fc::euclidean_loss> {};
  fc::model<net, fc::basic_cpu<8>> m(fc::basic_cpu<8>{2}, 2);
  float* g = m.gradients();
  std::fill(g, g + m.the_parameters.elements, 7.0f);
  m.load(static_cast<const float*>(nullptr), 0);
  m.load_targets(static_cast<const float*>(nullptr));
  m.forward({.training = true});
  m.backward(0.5, {.training = true}, true);
  for (int i = 0; i < 4; ++i) CHECK(m.gradient_values(i) == std::vector<float>(20, 7.0f));
  m.backward(0.5, {.training = true}, false);
  for (int i = 0; i < 4; ++i) CHECK(m.gradient_values(i) == std::vector<float>(20, 0.0f));
}
