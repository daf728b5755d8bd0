#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "firecaffe/firecaffe.hpp"
#include "reference_layers.hpp"

using namespace firecaffe;

namespace {

struct dropping_net : network<input<2, 8, 8>, conv<6, kernel<3>>, batch_norm<grain<3>>, relu,
                              max_pool<kernel<2>, stride<2>>, tap<ratio<1, 3>, dense<5>, softmax_loss>,
                              dropout<ratio<1, 4>>, dense<12, bias_lr_mult<ratio<2>>, bias_decay_mult<ratio<0>>>,
                              firecaffe::tanh, dense<5, bias_lr_mult<ratio<0>>>, accuracy<1>, softmax_loss> {};
struct line : network<input<3>, dense<2>, euclidean_loss> {};

struct course {
  std::vector<double> parameters, losses;
  std::vector<std::int64_t> iterations;
  friend bool operator==(const course&, const course&) = default;
};

struct listener {
  course* to;
  void on(const step_event& e) { to->losses.push_back(e.loss), to->iterations.push_back(e.iteration); }
  template <class Event>
  void on(const Event& e) {
    to->losses.push_back(e.loss);
  }
};

template <class Trainer>
void keep_parameters(Trainer& t, course& to) {
  for (int i = 0; i < Trainer::model_type::the_parameters.count; ++i)
    for (const double x : t.network().parameter_values(i)) to.parameters.push_back(x);
}

// 26 samples: the last batch of an epoch is short. Pieces end within epochs.
template <class Solver, class Device>
course train(Solver solver, int iter_size, float clip) {
  const data::synthetic set{{.samples = 26, .extents = {2, 8, 8}, .classes = 5, .seed = 3, .signal = 2}};
  trainer<dropping_net, Solver, alone, Device> t{alone{},
                                                 {.batch = 6,
                                                  .iter_size = iter_size,
                                                  .solver = solver,
                                                  .learning_rate = lr::inv{.base = 0.05f, .gamma = 0.1f, .power = 1},
                                                  .clip = clip,
                                                  .seed = 7,
                                                  .threads = 1}};
  course out;
  listener watch{&out};
  t.fit(set, set, {.epochs = 2}, watch);
  t.fit(set, {.iterations = 1}, watch);
  t.fit(set, {.iterations = 4}, watch);
  out.iterations.push_back(t.iteration());
  keep_parameters(t, out);
  return out;
}

}  // namespace

TEST_CASE_TEMPLATE("steps that are replayed are those that are asked for", Solver, sgd, nesterov, adam, adamw, rmsprop,
                   adagrad, adadelta, lars) {
  for (const int iter_size : {1, 2})
    for (const float clip : {0.0f, 0.5f}) {
      Solver solver;
      solver.weight_decay = 0.01f;
      CAPTURE(Solver::name);
      CAPTURE(iter_size);
      CAPTURE(clip);
      const course asked = train<Solver, reference>(solver, iter_size, clip),
                   replayed = train<Solver, recording_reference>(solver, iter_size, clip);
      CHECK(asked.losses.front() != asked.losses.back());
      CHECK(replayed == asked);
    }
  CHECK(replays_steps<Solver, recording_reference> == !std::is_same_v<Solver, lars>);
  CHECK(!replays_steps<Solver, reference>);
}

TEST_CASE_TEMPLATE("two steps may be under way, and settle in order", Device, reference, recording_reference) {
  std::vector<float> x(6 * 3), y(6 * 2, 0.5f);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(random_unit({5, 0, 0, random_use::test, 0}, i));
  using trainer_type = trainer<line, sgd, alone, Device>;
  const trainer_options<sgd> o{.batch = 2, .learning_rate = lr::fixed{0.1f}};
  trainer_type one_by_one{alone{}, o}, ahead{alone{}, o};
  const auto part = [&](std::size_t k) { return batch_view{x.data() + 6 * k, nullptr, y.data() + 4 * k, 2, 0}; };
  std::vector<double> losses, settled;
  for (std::size_t k = 0; k < 3; ++k) losses.push_back(one_by_one.step(part(k), 2));
  CHECK_THROWS_AS(ahead.settle(), usage_error);
  ahead.begin(part(0), 2);
  CHECK_THROWS_AS(ahead.step(part(1), 2), usage_error);
  ahead.begin(part(1), 2);
  CHECK_THROWS_AS(ahead.begin(part(2), 2), usage_error);
  settled.push_back(ahead.settle());
  ahead.begin(part(2), 2);
  settled.push_back(ahead.settle()), settled.push_back(ahead.settle());
  CHECK(settled == losses);
  CHECK(ahead.iteration() == 3);
  course a, b;
  keep_parameters(one_by_one, a), keep_parameters(ahead, b);
  CHECK(a == b);
}

// The step after the bad one is under way when its loss is looked at; then everything goes on.
TEST_CASE_TEMPLATE("a loss that is not finite leaves the parameters, whatever was asked for since", Device, reference,
                   recording_reference) {
  std::vector<float> x(3 * 8, 1.0f), y(2 * 8, 1.0f);
  using trainer_type = trainer<line, sgd, alone, Device>;
  trainer_type t{alone{}, {.batch = 2, .learning_rate = lr::fixed{0.01f}}};
  const data::regression_view good{x, {3}, y, {2}};
  t.fit(good, {.iterations = 1, .shuffle = false});
  course before, after;
  keep_parameters(t, before);
  std::vector<float> bad = x;
  bad[3 * 2] = std::numeric_limits<float>::quiet_NaN();  // in the step that comes next, with another behind it
  try {
    t.fit(data::regression_view{bad, {3}, y, {2}}, {.epochs = 1, .shuffle = false});
    FAIL("no error");
  } catch (const numeric_error& e) {
    CHECK(std::string(e.what()).find("iteration 1;") != std::string::npos);
  }
  CHECK(t.iteration() == 1);
  keep_parameters(t, after);
  CHECK(after == before);
  t.fit(good, {.epochs = 1, .shuffle = false});  // the rest of the epoch
  CHECK(t.iteration() == 4);
  CHECK(t.epoch() == 1);
  after = {};
  keep_parameters(t, after);
  CHECK(after.parameters != before.parameters);
  for (const double p : after.parameters) CHECK(std::isfinite(p));
}

// With a timeline steps are asked for op by op, and times are the device's.
TEST_CASE("what is recorded is done op by op, and at the device's times") {
  const data::synthetic set{{.samples = 12, .extents = {2, 8, 8}, .classes = 5, .seed = 3}};
  using trainer_type = trainer<dropping_net, sgd, alone, recording_reference>;
  trainer_type recorded{alone{}, {.batch = 6, .seed = 7}}, plain{alone{}, {.batch = 6, .seed = 7}};
  timeline log{4096};
  recorded.record_into(&log, nullptr);
  recorded.fit(set, {.epochs = 1}), plain.fit(set, {.epochs = 1});
  course a, b;
  keep_parameters(recorded, a), keep_parameters(plain, b);
  CHECK(a == b);
  const std::size_t ops = std::size_t(trainer_type::model_type::op_count);
  CHECK(log.spans().size() == 2 * (1 + 2 * ops + recorded.buckets().size()));
  for (const time_span& s : log.spans()) CHECK(s.end - s.begin == std::chrono::seconds(1));
  recorded.record_into(nullptr, nullptr);
  recorded.fit(set, {.epochs = 1});
  CHECK(log.spans().size() == 2 * (1 + 2 * ops + recorded.buckets().size()));
}
