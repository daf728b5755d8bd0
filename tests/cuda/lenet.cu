#include "agreement.hpp"
#include "firecaffe/comm/alone.hpp"
#include "firecaffe/data/synthetic.hpp"
#include "firecaffe/solvers/sgd.hpp"
#include "firecaffe/train/trainer.hpp"
#include "firecaffe/zoo/lenet.hpp"

namespace fc = firecaffe;
using namespace firecaffe;

TEST_CASE("LeNet agrees with the reference") { check_cuda_agreement<zoo::lenet>("lenet", 1); }

namespace {

struct trained {
  double first = 0, last = 0, accuracy = 0;
  std::vector<float> weights;
};

template <class Device>
trained train(int epochs) {
  using lenet_trainer = trainer<zoo::lenet, sgd, alone, Device>;
  const data::synthetic images({.samples = 512, .extents = {1, 28, 28}, .seed = 7, .signal = 0.5f});
  lenet_trainer t(alone{}, {.batch = 60,
                            .solver = {.momentum = 0.9f, .weight_decay = 5e-4f},
                            .learning_rate = lr::inv{.base = 0.01f, .gamma = 1e-4f, .power = 0.75f}});
  trained out;
  out.first = t.evaluate(images).loss;
  t.fit(images, {.epochs = epochs});
  const evaluation_event after = t.evaluate(images);
  out.last = after.loss, out.accuracy = after.metrics.at(0).value;
  for (int i = 0; i < lenet_trainer::model_type::the_parameters.count; ++i) {
    const std::vector<float> w = t.network().parameter_values(i);
    out.weights.insert(out.weights.end(), w.begin(), w.end());
  }
  return out;
}

}  // namespace

TEST_CASE("LeNet learns synthetic images, and a second run repeats the first to the bit") {
  const trained a = train<fc::cuda>(6), b = train<fc::cuda>(6);
  MESSAGE("loss ", a.first, " -> ", a.last, ", accuracy ", a.accuracy);
  CHECK(a.first > 1.5);
  CHECK(a.last < 0.5 * a.first);
  CHECK(a.accuracy > 0.8);
  CHECK(a.weights == b.weights);
}

TEST_CASE("with TF32 it learns as well, and repeats, but computes otherwise") {
  const trained exact = train<fc::cuda>(1), a = train<fc::cuda_tf32>(1), b = train<fc::cuda_tf32>(1);
  CHECK(a.first == doctest::Approx(exact.first).epsilon(2e-3));
  CHECK(a.last == doctest::Approx(exact.last).epsilon(0.1));
  CHECK(a.weights != exact.weights);  // where the device has tensor cores for it: sm_80 and later
  CHECK(a.weights == b.weights);
}

TEST_CASE("with bfloat16 it learns as well, and repeats") {
  const trained a = train<fc::cuda_bf16>(6), b = train<fc::cuda_bf16>(6);
  MESSAGE("loss ", a.first, " -> ", a.last, ", accuracy ", a.accuracy);
  CHECK(a.last < 0.5 * a.first);
  CHECK(a.accuracy > 0.8);
  CHECK(a.weights == b.weights);
}

TEST_CASE("with kernels chosen by timing them it learns as well") {
  const trained a = train<fc::cuda_fastest<fc::cuda_bf16>>(6);
  CHECK(a.last < 0.5 * a.first);
  CHECK(a.accuracy > 0.8);
}
