// computes much: whole courses of training in double precision
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "firecaffe/firecaffe.hpp"
#include "reference_layers.hpp"
#include "slow_memory.hpp"

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
template <class Solver, class Device, class Communicator = alone, class Endpoint = alone>
course train(Solver solver, int iter_size, float clip, Endpoint endpoint = {}, bool graphs = true) {
  const data::synthetic set{{.samples = 26, .extents = {2, 8, 8}, .classes = 5, .seed = 3, .signal = 2}};
  trainer<dropping_net, Solver, Communicator, Device> t{
      endpoint,
      {.batch = 6,
       .iter_size = iter_size,
       .solver = solver,
       .learning_rate = lr::inv{.base = 0.05f, .gamma = 0.1f, .power = 1},
       .clip = clip,
       .seed = 7,
       .threads = 1,
       .bucket_bytes = 512,
       .graphs = graphs}};
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
      int& replays = recording_reference::recorder::replays;
      CHECK(std::exchange(replays, 0) > 10);
      CHECK(train<Solver, recording_reference>(solver, iter_size, clip, alone{}, false) == asked);
      CHECK(replays == 0);
    }
  CHECK(replays_steps<Solver, recording_reference> == !std::is_same_v<Solver, lars>);
  CHECK(!replays_steps<Solver, reference>);
}

// Pieces of passes, buckets leaving between them, beside passes that are asked for op by op.
TEST_CASE_TEMPLATE("what several ranks have replayed is what they ask for", Solver, sgd, lars) {
  const auto on = [](auto device, auto communicator, int ranks, int iter_size, float clip) {
    using communicator_type = typename decltype(communicator)::type;
    std::vector<course> out(static_cast<std::size_t>(ranks));
    local::run(ranks, [&](local::transport wire) {
      out[static_cast<std::size_t>(wire.rank())] =
          train<Solver, typename decltype(device)::type, communicator_type>(Solver{}, iter_size, clip, wire);
    });
    for (const course& c : out) CHECK(c == out[0]);
    return out[0];
  };
  using tree_type = std::type_identity<tree<local::transport>>;
  for (const int ranks : {1, 2, 3})
    for (const int iter_size : {1, 2})
      for (const float clip : {0.0f, 0.5f}) {
        CAPTURE(ranks);
        CAPTURE(iter_size);
        CAPTURE(clip);
        const course asked = on(std::type_identity<reference>{}, tree_type{}, ranks, iter_size, clip);
        CHECK(on(std::type_identity<recording_reference>{}, tree_type{}, ranks, iter_size, clip) == asked);
        CHECK(on(std::type_identity<reference_apart>{}, tree_type{}, ranks, iter_size, clip) == asked);
        CHECK(on(std::type_identity<reference_apart>{}, std::type_identity<tree<test::device_transport>>{}, ranks,
                 iter_size, clip) == asked);
      }
}

// With a timeline from the second step on, from the first, and without: steps of both kinds follow each other.
TEST_CASE_TEMPLATE("two steps may be under way, and settle in order", Device, reference, recording_reference) {
  const data::synthetic set{{.samples = 24, .extents = {2, 8, 8}, .classes = 5, .seed = 3, .signal = 2}};
  const data::sampler order(set.size(), {.batch = 6});
  const trainer_options<adam> o{.batch = 6, .learning_rate = lr::inv{.base = 0.01f, .gamma = 0.5f, .power = 1}};
  using trainer_type = trainer<dropping_net, adam, alone, Device>;
  for (const int recorded : {0, 1, 2}) {
    CAPTURE(recorded);
    trainer_type one_by_one{alone{}, o}, ahead{alone{}, o};
    timeline log{4096};
    std::vector<double> losses, settled;
    data::prefetcher<data::synthetic> batches(set, order), again(set, order);
    const auto part = [](auto& from) {
      const data::host_batch& b = from.next();
      return batch_view{b.values.data(), b.labels.data(), nullptr, b.samples, b.first_slot};
    };
    for (int k = 0; k < 4; ++k) losses.push_back(one_by_one.step(part(batches), 6));
    CHECK_THROWS_AS(ahead.settle(), usage_error);
    if (recorded == 2) ahead.record_into(&log, nullptr);
    ahead.begin(part(again), 6);
    CHECK_THROWS_AS(ahead.step(batch_view{}, 6), usage_error);
    CHECK_THROWS_AS(ahead.fit(set, {.epochs = 1}), usage_error);
    ahead.record_into(recorded == 1 ? &log : nullptr, nullptr);
    ahead.begin(part(again), 6);
    CHECK_THROWS_AS(ahead.begin(batch_view{}, 6), usage_error);
    settled.push_back(ahead.settle());
    ahead.begin(part(again), 6);
    settled.push_back(ahead.settle()), settled.push_back(ahead.settle());
    ahead.begin(part(again), 6);
    CHECK(ahead.evaluate(set).loss == one_by_one.evaluate(set).loss);  // of what was begun, all is done
    settled.push_back(ahead.settle());
    CHECK(settled == losses);
    CHECK(ahead.iteration() == 4);
    course a, b;
    keep_parameters(one_by_one, a), keep_parameters(ahead, b);
    CHECK(a == b);
  }
}

// A step whose loss is not finite may have another behind it; then everything goes on with the first that was no
// update.
TEST_CASE_TEMPLATE("a loss that is not finite leaves the parameters, whatever was asked for since", Device, reference,
                   recording_reference) {
  for (const int iter_size : {1, 2})
    for (const std::size_t bad_step : {1, 2, 3}) {  // the second, one in the middle, the last of four
      CAPTURE(iter_size);
      CAPTURE(bad_step);
      const auto samples = std::size_t(8 * iter_size);
      std::vector<float> x(3 * samples, 1.0f), y(2 * samples, 1.0f);
      using trainer_type = trainer<line, sgd, alone, Device>;
      trainer_type t{alone{}, {.batch = 2, .iter_size = iter_size, .learning_rate = lr::fixed{0.01f}}};
      const data::regression_view good{x, {3}, y, {2}};
      const auto steps = std::int64_t(bad_step);
      t.fit(good, {.iterations = steps, .shuffle = false});
      course before, after;
      keep_parameters(t, before);
      std::vector<float> bad = x;
      bad[3 * 2 * bad_step * std::size_t(iter_size)] = std::numeric_limits<float>::quiet_NaN();
      std::string what;
      try {
        t.fit(data::regression_view{bad, {3}, y, {2}}, {.epochs = 1, .shuffle = false});
      } catch (const numeric_error& e) {
        what = e.what();
      }
      CHECK(what.find("iteration " + std::to_string(bad_step) + ";") != std::string::npos);
      CHECK(t.iteration() == steps);
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
}

// The label of the third step is none; the second's loss, not finite, is not known yet when it is read.
TEST_CASE_TEMPLATE("what cannot be loaded behind a bad loss loses no batch", Device, reference, recording_reference) {
  struct classes : network<input<3>, dense<2>, softmax_loss> {};
  std::vector<float> x(3 * 8, 1.0f), bad = x;
  bad[3 * 2] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::int32_t> good_labels(8, 1), bad_labels{1, 1, 1, 1, 7, 1, 1, 1};
  trainer<classes, sgd, alone, Device> t{alone{}, {.batch = 2, .learning_rate = lr::fixed{0.01f}}};
  const data::view good{x, {3}, good_labels, 2}, wrong{bad, {3}, bad_labels, 8};
  CHECK_THROWS_AS(t.fit(wrong, {.epochs = 1, .shuffle = false}), error);
  CHECK(t.iteration() == 1);
  t.fit(good, {.epochs = 1, .shuffle = false});
  CHECK(t.iteration() == 4);
}

TEST_CASE_TEMPLATE("observers that throw stop a run where it can go on", Device, reference, recording_reference) {
  struct thrower {
    int steps_left = 1 << 20, epochs_left = 1 << 20;
    void on(const step_event&) {
      if (steps_left-- == 0) throw std::runtime_error("enough");
    }
    void on(const epoch_event&) {
      if (epochs_left-- == 0) throw std::runtime_error("enough");
    }
    void on(const evaluation_event&) {}
  };
  const data::synthetic set{{.samples = 24, .extents = {2, 8, 8}, .classes = 5, .seed = 3, .signal = 2}};
  using trainer_type = trainer<dropping_net, sgd, alone, Device>;
  const trainer_options<sgd> o{.batch = 6, .learning_rate = lr::fixed{0.05f}};
  trainer_type whole{alone{}, o};
  whole.fit(set, {.epochs = 2});
  course expected;
  keep_parameters(whole, expected);
  for (const thrower& stop : {thrower{1, 9}, thrower{2, 9}, thrower{3, 9}, thrower{9, 0}}) {
    trainer_type t{alone{}, o};
    thrower once = stop;
    CHECK_THROWS_AS(t.fit(set, {.epochs = 2}, once), std::runtime_error);
    while (t.iteration() < whole.iteration()) t.fit(set, {.iterations = whole.iteration() - t.iteration()});
    course found;
    keep_parameters(t, found);
    CHECK(found == expected);
  }
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
