#include "firecaffe/network/gradient_check.hpp"

#include <doctest/doctest.h>

#include "networks.hpp"
#include "reference_layers.hpp"

namespace fc = firecaffe;

// y = x^2 / 2, whose slope in terms of y is sqrt(2 y) for positive x: wrong by `Error` percent.
template <int Error>
struct half_of_square : fc::pointwise_layer {
  static constexpr const char* name = "half_of_square";
  static constexpr bool preserves_zero = true;
  template <class T>
  static T value(T x) {
    return x * x / 2;
  }
  template <class T>
  static T slope(T y) {
    return std::sqrt(2 * y) * T(1 + 0.01 * Error);
  }
};

// y = |x|: its backward pass is right, its forward pass has a kink.
struct magnitude : fc::pointwise_layer {
  static constexpr const char* name = "magnitude";
  static constexpr bool preserves_zero = true;
  template <class T>
  static T value(T x) {
    return x < 0 ? T(0) : x;
  }
  template <class T>
  static T slope(T y) {
    return y > 0 ? T(1) : T(0);
  }
};

TEST_CASE("a wrong slope is noticed, and said where") {
  using positive = fc::chain<fc::sigmoid, half_of_square<0>>;
  using wrong = fc::chain<fc::sigmoid, half_of_square<1>>;
  CHECK(fc::gradient_check<positive, fc::input<9>, fc::reference>().worst_relative_error < 1e-7);
  const fc::gradient_report r = fc::gradient_check<wrong, fc::input<9>, fc::reference>();
  CHECK(r.worst_relative_error == doctest::Approx(0.01).epsilon(0.1));
  CHECK(r.where.find("input[") == 0);
  struct net : fc::network<fc::input<9>, fc::dense<4>, fc::sigmoid, half_of_square<1>, fc::dense<3>, fc::softmax_loss> {
  };
  const fc::gradient_report in_net = fc::gradient_check<net, fc::reference>();
  CHECK(in_net.worst_relative_error > 0.005);
  CHECK(in_net.checked == 9 * 4 + 4 + 4 * 3 + 3 + 2 * 9);
}

TEST_CASE("elements at a kink are skipped, others are not") {
  const fc::gradient_check_options wide{.seed = 3, .batch = 10, .step = 0.1};
  const fc::gradient_report r = fc::gradient_check<magnitude, fc::input<50>, fc::reference>(wide);
  CHECK(r.worst_relative_error < 1e-6);
  CHECK(r.skipped > 20);  // |x| < 0.1: about one in ten
  CHECK(r.skipped < 100);
  CHECK(r.checked + r.skipped == 500);
  CHECK(fc::gradient_check<magnitude, fc::input<50>, fc::reference>().skipped == 0);
}

TEST_CASE("a random part of the elements, and every layer alone") {
  const fc::gradient_report r =
      fc::gradient_check<fc::dense<20>, fc::input<30>, fc::reference>({.batch = 1, .samples_per_parameter = 5});
  CHECK(r.checked == 15);
  CHECK(fc::gradient_check<fc::identity, fc::input<4>, fc::reference>().worst_relative_error < 1e-8);
  CHECK(fc::gradient_check<fc::euclidean_loss, fc::input<4>, fc::reference>().worst_relative_error < 1e-8);
  CHECK(fc::gradient_check<fc::dropout<>, fc::input<4>, fc::reference>({.training = false}).worst_relative_error <
        1e-8);
}
