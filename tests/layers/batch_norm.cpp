#include "firecaffe/layers/batch_norm.hpp"

#include "agreement.hpp"
#include "firecaffe/cpu/batch_norm.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "networks.hpp"
#include "oracle.hpp"

namespace fc = firecaffe;

TEST_CASE("options and parameters") {
  using plain = fc::batch_norm<>;
  static_assert(plain::settings.epsilon == 1e-5 && plain::settings.follow == 0.1 && plain::settings.grain == 0);
  using other = fc::batch_norm<fc::grain<4>, fc::no_affine, fc::follow<fc::ratio<1, 4>>, fc::epsilon<fc::ratio<1, 8>>>;
  static_assert(other::settings.epsilon == 0.125 && other::settings.follow == 0.25 && other::settings.grain == 4);
  static_assert(fc::field_count<plain::parameters<int>> == 4 && fc::field_count<other::parameters<int>> == 2);
  static_assert(plain::backward_needs_input && !plain::backward_needs_output && !plain::in_place);
  CHECK(plain::output({7, 3, 2, 5}) == fc::shape{7, 3, 2, 5});
  struct net : fc::network<fc::input<6, 3, 3>, plain, other, other, fc::euclidean_loss> {};
  static_assert(fc::parameter_count<net> == 12);  // statistics are not learned
  static_assert(fc::parameter_limit<net> == 4 + 2 + 2 + 1);
  fc::model<net, fc::reference> m(fc::reference{}, 1);
  REQUIRE(m.the_parameters.count == 8);
  const double first[] = {0, 1, 0, 1, 1, 0, 0, 1};  // the last layer's come first
  for (int i = 0; i < 8; ++i) {
    const fc::parameter& p = m.the_parameters.list[i].description;
    CHECK(p.learnable() == (i == 4 || i == 5));
    CHECK(p.follows == (i < 4 ? 0.25f : i < 6 ? 0 : 0.1f));
    CHECK(m.parameter_values(i) == std::vector<double>(6, first[i]));
  }
}

TEST_CASE("gradients are those of the forward pass, in training and in evaluation") {
  fc::check_gradients<networks::batch_normalisations>("batch normalisations");
  fc::check_report("evaluation", fc::gradient_check<networks::batch_normalisations, fc::reference>(
                                     {.seed = 5, .samples_per_parameter = 25, .training = false}));
}

TEST_CASE("the cpu agrees with the reference") {
  for (int threads : {1, 2}) {
    fc::check_agreement<networks::batch_normalisations>("batch normalisations", fc::basic_cpu<8>{threads}, 51);
    fc::check_agreement<networks::batch_normalisations>("batch normalisations", fc::basic_cpu<16>{threads}, 52);
    fc::check_agreement<networks::steep_slopes>("steep slopes", fc::basic_cpu<8>{threads}, 56);
  }
}

TEST_CASE_TEMPLATE("and in evaluation, going back", Device, fc::basic_cpu<8>, fc::basic_cpu<16>) {
  fc::agreement<networks::batch_normalisations, Device> both(Device{2}, 5, 53);
  fc::check_going_back_in_evaluation(both);
}
