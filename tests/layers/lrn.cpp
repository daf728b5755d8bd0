#include "firecaffe/layers/lrn.hpp"

#include <random>

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/lrn.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE("options") {
  using caffe = fc::lrn<>;
  static_assert(caffe::settings.local_size == 5 && caffe::settings.alpha == 1 && caffe::settings.beta == 0.75 &&
                caffe::settings.offset == 1);
  using other =
      fc::lrn<fc::offset<fc::ratio<2>>, fc::beta<fc::ratio<1, 2>>, fc::local_size<3>, fc::alpha<fc::ratio<1, 10000>>>;
  static_assert(other::settings.local_size == 3 && other::settings.alpha == 1e-4 && other::settings.beta == 0.5 &&
                other::settings.offset == 2);
  CHECK(other::output({7, 3, 2}) == fc::shape{7, 3, 2});
  // Its gradient needs what came in, so it may not be overwritten.
  static_assert(other::backward_needs_input && !other::backward_needs_output && !other::in_place);
}

TEST_CASE_TEMPLATE("by hand", Device, fc::reference, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  // s = 1 + 3/3 * (sum of three squares) = 1 + {4 + 1, 4 + 1 + 9, 1 + 9 + 25, 9 + 25, 25} = {6, 15, 36, 35, 26}
  using layer = fc::lrn<fc::local_size<3>, fc::alpha<fc::ratio<3>>, fc::beta<fc::ratio<1, 2>>>;
  struct net : fc::network<fc::input<5>, layer, fc::euclidean_loss> {};
  fc::model<net, Device, fc::plan_options{true, true}> m(Device{}, 1);
  const double x[] = {2, -1, 3, 5, 0}, targets[5] = {};
  m.load(x, 1);
  m.load_targets(targets);
  m.forward({.training = true});
  const auto y = m.output();
  const double expected[] = {2 / std::sqrt(6), -1 / std::sqrt(15), 3 / 6., 5 / std::sqrt(35), 0};
  for (std::size_t c = 0; c < 5; ++c) CHECK(double(y[c]) == doctest::Approx(expected[c]).epsilon(1e-6));
  // dy = y, so that dx[c] = x[c] / s[c] - x[c] * (the sum of x[i]^2 / s[i]^2 over the three)
  m.backward(1, {.training = true});
  const auto dx = m.gradient(0);
  const double terms[] = {4 / 36., 1 / 225., 9 / 1296., 25 / 1225., 0};
  const double slopes[] = {2 / 6. - 2 * (terms[0] + terms[1]), -1 / 15. + terms[0] + terms[1] + terms[2],
                           3 / 36. - 3 * (terms[1] + terms[2] + terms[3]), 5 / 35. - 5 * (terms[2] + terms[3]), 0};
  for (std::size_t c = 0; c < 5; ++c) CHECK(double(dx[c]) == doctest::Approx(slopes[c]).epsilon(1e-6));
}

TEST_CASE("the gradient is that of the forward pass") {
  fc::check_gradients<networks::normalisations>("normalisations");
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::normalisations>("normalisations", fc::basic_cpu<8>{threads}, 41);
    fc::check_agreement<networks::normalisations>("normalisations", fc::basic_cpu<16>{threads}, 42);
  }
}

template <int Quarters>
double worst_root_error(const fc::vector<8>& s) {
  fc::vector<8> power, next;
  fc::vector_powers<8>::root_powers<Quarters>(s, power, next);
  double worst = 0;
  for (int l = 0; l < 8; ++l) {
    const double exact = std::pow(double(s[l]), -0.25 * Quarters);
    worst = std::fmax(worst, std::fabs(double(power[l]) / exact - 1));
    worst = std::fmax(worst, std::fabs(double(next[l]) / (exact / double(s[l])) - 1));
  }
  return worst;
}

TEST_CASE("powers are as good as they say") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> exponent(-12, 12), power_of(-2, 2);
  double roots = 0, powers = 0;
  for (int i = 0; i < 20000; ++i) {
    fc::vector<8> s, out;
    for (int l = 0; l < 8; ++l) s[l] = std::exp2(exponent(random));
    roots = std::fmax(roots, worst_root_error<1>(s));
    roots = std::fmax(roots, worst_root_error<2>(s));
    roots = std::fmax(roots, worst_root_error<3>(s));
    roots = std::fmax(roots, worst_root_error<8>(s));
    const float b = power_of(random);
    fc::vector_powers<8>::power(s, b, out);
    for (int l = 0; l < 8; ++l) {
      const double size = std::fmax(1, std::fabs(double(b) * std::log2(double(s[l]))));
      powers = std::fmax(powers, std::fabs(double(out[l]) / std::pow(double(s[l]), double(b)) - 1) / size);
    }
  }
  MESSAGE("roots ", roots, ", powers ", powers);
  CHECK(roots < 1e-6);
  CHECK(powers < 5e-7);
}
