#include "firecaffe/zoo/googlenet.hpp"

#include "firecaffe/cpu/lrn.hpp"
#include "first_steps.hpp"
#include "reference.hpp"

namespace fc = firecaffe;
using fc::shape;
using net = fc::zoo::googlenet;

static_assert(fc::parameter_count<net> == 13'378'280);
static_assert(fc::parameter_count<fc::zoo::googlenet_plain> == 6'998'552);

// The shapes of the paper's table 1, row by row, and of what lies between.
struct table {
  std::vector<shape> values{{3, 224, 224}};
  bool heads;

  void add(int channels, int size, int times = 1) {
    values.insert(values.end(), std::size_t(times), shape{channels, size, size});
  }
  void convolution(int channels, int size) { add(channels, size, 2); }  // and its ReLU
  void inception(int size, int output, int c1, int reduce3, int c3, int reduce5, int c5, int projection) {
    const int input = values.back().channels;
    for (int c : {c1, reduce3, c3, reduce5, c5}) convolution(c, size);
    add(input, size);
    convolution(projection, size);
    add(output, size);
  }
  // What follows takes its input from before the head: that is put last again, to be removed by `end`.
  void head() {
    if (!heads) return;
    add(values.back().channels, 4);
    convolution(128, 4);
    add(1024, 1, 3);
    add(1000, 1);
  }

  explicit table(bool with_heads) : heads(with_heads) {
    convolution(64, 112);
    add(64, 56, 2);  // pool, norm
    convolution(64, 56);
    convolution(192, 56);
    add(192, 56);
    add(192, 28);
    inception(28, 256, 64, 96, 128, 16, 32, 32);
    inception(28, 480, 128, 128, 192, 32, 96, 64);
    add(480, 14);
    inception(14, 512, 192, 96, 208, 16, 48, 64);
    head();
    inception_behind_head(512, 14, 512, 160, 112, 224, 24, 64, 64);
    inception(14, 512, 128, 128, 256, 24, 64, 64);
    inception(14, 528, 112, 144, 288, 32, 64, 64);
    head();
    inception_behind_head(528, 14, 832, 256, 160, 320, 32, 128, 128);
    add(832, 7);
    inception(7, 832, 256, 160, 320, 32, 128, 128);
    inception(7, 1024, 384, 192, 384, 48, 128, 128);
    add(1024, 1, 2);  // pool, dropout
    add(1000, 1);
  }

  void inception_behind_head(int input, int size, int output, int c1, int reduce3, int c3, int reduce5, int c5,
                             int projection) {
    const std::size_t first = values.size();
    inception(size, output, c1, reduce3, c3, reduce5, c5, projection);
    values[first + 10].channels = input;  // of the pool
  }
};

TEST_CASE("every value has the published shape") {
  CHECK(shapes_of<net>() == table(true).values);
  CHECK(shapes_of<fc::zoo::googlenet_plain>() == table(false).values);
}

TEST_CASE("parameters are filled as published") {
  using fc::filler, fc::parameter;
  CHECK(fills<net>(filler::xavier, 0, [](const parameter& p) { return p.inputs * p.taps > 1; }));
  CHECK(fills<net>(filler::constant, 0.2,
                   [](const parameter& p) { return p.inputs * p.taps == 1 && p.outputs != 1000; }));
  CHECK(
      fills<net>(filler::constant, 0, [](const parameter& p) { return p.inputs * p.taps == 1 && p.outputs == 1000; }));
}

TEST_CASE("biases learn twice as fast as weights and do not decay") { CHECK(multiplies<net>(1, 1, 2, 0)); }

TEST_CASE("branches write where the concatenation reads") {
  const auto& plan = fc::plan<net, fc::cpu>;
  int branches = 0, copied = 0;
  for (int i = 0; i < plan.op_count; ++i)
    for (int k = 0; plan.ops[i].kind == fc::op_kind::concat && k < plan.ops[i].operands; ++k) {
      ++branches;
      copied += !plan.settled[plan.ops[i].first_operand + k];
    }
  CHECK(branches == 36);
  CHECK(copied == 0);
}

TEST_CASE("it starts to learn, heads included") {
  std::vector<double> weights;
  const auto& plan = fc::plan<net, fc::cpu>;
  for (int i = 0; i < plan.op_count; ++i)
    if (plan.ops[i].kind == fc::op_kind::loss) weights.push_back(plan.ops[i].loss_weight);
  CHECK(weights == std::vector<double>{0.3, 0.3, 1});
  // Scores grow with the pixels: at an amplitude of 100 their deviation at the first head is 7, and its loss 20, as in
  // Caffe's logs. At 1 they are those of guessing.
  const auto losses = first_steps<net>(0.01f, 1);
  for (const auto& l : losses) MESSAGE(l[0], " ", l[1], " ", l[2]);
  REQUIRE(losses[0].size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(losses[0][i] == doctest::Approx(loss_of_guessing).epsilon(0.06));
    CHECK(losses[2][i] < losses[0][i]);
  }
}

TEST_CASE("a training step is PyTorch's") { agrees_with_reference<net>("googlenet"); }
