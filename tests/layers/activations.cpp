#include "firecaffe/layers/activations.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

template <class Layer>
double slope_of(double x) {
  if constexpr (fc::pointwise<Layer>)
    return Layer::slope(Layer::value(x));
  else
    return Layer::slope_at(x);
}

TEST_CASE("values and slopes") {
  CHECK(fc::softplus::value(0.0) == doctest::Approx(0.6931471805599453));
  CHECK(fc::softplus::value(2.0) == doctest::Approx(2.1269280110429727));
  CHECK(fc::softplus::value(-40.0) == doctest::Approx(4.248354255291589e-18));
  CHECK(fc::softplus::value(1e6) == 1e6);
  CHECK(fc::swish::value(1.0) == doctest::Approx(0.7310585786300049));
  CHECK(fc::swish::value(-2.0) == doctest::Approx(-0.2384058440442351));
  CHECK(fc::gelu::value(1.0) == doctest::Approx(0.8413447460685429));
  CHECK(fc::gelu::value(-2.0) == doctest::Approx(-0.04550026389635842));
  // Minima, where slopes vanish.
  CHECK(std::fabs(slope_of<fc::swish>(-1.2784645427610738)) < 1e-12);
  CHECK(std::fabs(slope_of<fc::gelu>(-0.7517915246935645)) < 1e-12);
  CHECK(slope_of<fc::softplus>(0.0) == doctest::Approx(0.5));
  double worst = 0;
  for (float x = -30; x < 30; x += 0.0173f) {
    const double precise[] = {fc::softplus::value(double(x)), fc::swish::value(double(x)), fc::gelu::value(double(x)),
                              slope_of<fc::swish>(double(x)), slope_of<fc::gelu>(double(x))};
    const float here[] = {fc::softplus::value(x), fc::swish::value(x), fc::gelu::value(x), fc::swish::slope_at(x),
                          fc::gelu::slope_at(x)};
    for (int i = 0; i < 5; ++i)
      worst = std::fmax(worst, std::fabs(double(here[i]) - precise[i]) / std::fmax(1, std::fabs(double(x))));
  }
  CHECK(worst < 1e-6);
}

TEST_CASE("what needs its input is neither in place nor fused") {
  static_assert(fc::pointwise_of_input<fc::gelu> && !fc::pointwise<fc::gelu> && !fc::gelu::in_place);
  static_assert(fc::pointwise<fc::softplus> && !fc::pointwise_of_input<fc::softplus>);
  static_assert(!fc::cpu::fuses<fc::dense<3>, fc::swish> && fc::cpu::fuses<fc::dense<3>, fc::softplus>);
}

TEST_CASE("gradients are those of the forward pass") {
  fc::check_gradients<networks::smooth_activations>("smooth activations");
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::smooth_activations>("smooth activations", fc::basic_cpu<8>{threads}, 71);
    fc::check_agreement<networks::smooth_activations>("smooth activations", fc::basic_cpu<16>{threads}, 71 + 1);
  }
}
