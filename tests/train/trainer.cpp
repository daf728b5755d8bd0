#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "firecaffe/cpu.hpp"
#include "reference_layers.hpp"
#include "slow_memory.hpp"

using namespace firecaffe;

namespace {

struct small_net
    : network<input<2, 8, 8>, conv<6, kernel<3>>, relu, max_pool<kernel<2>, stride<2>>, dropout<ratio<1, 4>>, dense<12>,
              firecaffe::tanh, dense<5>, accuracy<1>, accuracy<2>, softmax_loss> {};
struct line : network<input<3>, dense<2>, euclidean_loss> {};

using local_tree = tree<local::transport>;
using settings = trainer_options<sgd>;

settings usual(int batch) {
  return {.batch = batch,
          .solver = {.momentum = 0.9f, .weight_decay = 1e-3f},
          .learning_rate = lr::fixed{0.05f},
          .seed = 7,
          .threads = 1,
          .bucket_bytes = 1024};
}

data::synthetic images(std::size_t samples) {
  return data::synthetic{{.samples = samples, .extents = {2, 8, 8}, .classes = 5, .seed = 3, .signal = 2}};
}

template <class Trainer>
std::vector<typename Trainer::T> all_parameters(Trainer& t) {
  std::vector<typename Trainer::T> all;
  for (int i = 0; i < Trainer::model_type::the_parameters.count; ++i)
    for (const auto x : t.network().parameter_values(i)) all.push_back(x);
  return all;
}

// Trains on so many ranks (threads of this process) and returns rank 0's parameters, having checked that all ranks have
// the same bits.
template <class Device, class Communicator = local_tree, class Fit>
auto trained_on(int ranks, const settings& o, Fit fit) {
  using trainer_type = trainer<small_net, sgd, Communicator, Device>;
  std::vector<std::vector<typename trainer_type::T>> results(static_cast<std::size_t>(ranks));
  local::run(ranks, [&](local::transport wire) {
    trainer_type t{wire, o};
    fit(t);
    results[static_cast<std::size_t>(wire.rank())] = all_parameters(t);
  });
  for (const auto& r : results) CHECK(r == results[0]);
  return results[0];
}

template <class T>
double difference(const std::vector<T>& a, const std::vector<T>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(double(a[i]) - double(b[i])));
    scale = std::max(scale, std::abs(double(b[i])));
  }
  return worst / scale;
}

}  // namespace

// The sum over ranks is the sum over samples in another order, so weights differ by rounding, carried on through the
// steps: some 20 steps at 1e-16 (double) and 1e-7 (float) relative error each.
// Volumes whose upper half is brighter than the lower, or the other way round.
TEST_CASE("a network over volumes learns from arrays in memory") {
  struct volumes : network<input<2, 6, 5, 4>, conv<8, kernel<3>, pad<1>>, relu, max_pool<kernel<2>, stride<2>>,
                           conv<12, kernel<3, 2, 2>>, relu, dense<2>, accuracy<1>, softmax_loss> {};
  constexpr std::size_t samples = 64, elements = 240;
  std::vector<float> values(samples * elements);
  std::vector<std::int32_t> labels(samples);
  for (std::size_t n = 0; n < samples; ++n) {
    labels[n] = std::int32_t(n % 2);
    for (std::size_t i = 0; i < elements; ++i) {
      const bool upper = i % 120 < 60;
      values[n * elements + i] = float(random_unit({11, 0, 0, random_use::test, 0}, n * elements + i)) - 0.5f +
                                 (upper == (labels[n] == 1) ? 0.2f : -0.2f);
    }
  }
  const data::view set{values, {.channels = 2, .height = 5, .width = 4, .depth = 6}, labels, 2};
  std::vector<std::vector<float>> results(2);
  local::run(2, [&](local::transport wire) {
    trainer<volumes, sgd, local_tree, cpu> t{wire, usual(16)};
    t.fit(set, {.epochs = 6});
    results[std::size_t(wire.rank())] = all_parameters(t);
    CHECK(t.evaluate(set).metrics.at(0).value > 0.95);
  });
  CHECK(results[0] == results[1]);
}

TEST_CASE("one rank and several agree at the same global batch") {
  const auto set = images(50);  // 12 does not divide it, nor do 3 or 5 ranks divide 12 or the last 2 samples
  auto fit = [&](auto& t) { t.fit(set, {.epochs = 4}); };
  const auto one = trained_on<reference>(1, usual(12), fit);
  for (const int ranks : {2, 3, 5}) {
    CAPTURE(ranks);
    CHECK(difference(trained_on<reference>(ranks, usual(12), fit), one) < 1e-12);
  }
  const auto one_float = trained_on<cpu>(1, usual(12), fit);
  for (const int ranks : {2, 3}) CHECK(difference(trained_on<cpu>(ranks, usual(12), fit), one_float) < 2e-4);
  CHECK(trained_on<cpu>(2, usual(12), fit) == trained_on<cpu>(2, usual(12), fit));  // and a run repeats to the bit
}

TEST_CASE("gradients in memory that the host does not share are summed as they arrive, or where they are") {
  const auto set = images(50);
  auto fit = [&](auto& t) { t.fit(set, {.epochs = 2}); };
  for (const int ranks : {1, 2, 3}) {
    const auto expected = trained_on<reference>(ranks, usual(12), fit);
    CHECK(trained_on<remote_reference>(ranks, usual(12), fit) == expected);
    CHECK(trained_on<remote_reference, tree<test::device_transport>>(ranks, usual(12), fit) == expected);
  }
}

TEST_CASE("more ranks than samples: some ranks have nothing to do") {
  const auto set = images(7);
  auto fit = [&](auto& t) { t.fit(set, {.epochs = 3}); };
  const auto one = trained_on<reference>(1, usual(2), fit);
  CHECK(difference(trained_on<reference>(4, usual(2), fit), one) < 1e-12);
  CHECK(difference(trained_on<cpu>(4, usual(2), fit), trained_on<cpu>(1, usual(2), fit)) < 2e-4);
}

struct no_dropout : network<input<2, 8, 8>, conv<6, kernel<3>>, relu, dense<5>, softmax_loss> {};

TEST_CASE("accumulated gradients are those of the larger batch") {
  const auto set = images(48);
  auto run = [&](int batch, int iter_size) {
    settings o = usual(batch);
    o.iter_size = iter_size;
    trainer<no_dropout, sgd, alone, reference> t{alone{}, o};
    t.fit(set, {.epochs = 3});
    CHECK(t.iteration() == 3 * 48 / (batch * iter_size));
    return all_parameters(t);
  };
  CHECK(difference(run(4, 3), run(12, 1)) < 1e-12);
  CHECK(difference(run(3, 4), run(12, 1)) < 1e-12);
}

TEST_CASE("the last batch is defined") {
  const auto set = images(10);
  auto iterations = [&](data::last_batch last) {
    trainer<no_dropout, sgd, alone, cpu> t{alone{}, usual(4)};
    t.fit(set, {.epochs = 2, .last = last});
    return t.iteration();
  };
  CHECK(iterations(data::last_batch::keep) == 6);
  CHECK(iterations(data::last_batch::drop) == 4);
  CHECK(iterations(data::last_batch::wrap) == 6);
}

TEST_CASE("a run in pieces is the run in one go") {
  const auto set = images(30);
  trainer<small_net, sgd, alone, cpu> whole{alone{}, usual(8)}, pieces{alone{}, usual(8)};
  whole.fit(set, {.epochs = 3});
  pieces.fit(set, {.iterations = 3});
  pieces.fit(set, {.iterations = 2});  // past the end of an epoch of four steps
  pieces.fit(set, {.iterations = 7});
  CHECK(pieces.iteration() == whole.iteration());
  CHECK(pieces.epoch() == 3);
  CHECK(all_parameters(pieces) == all_parameters(whole));
}

TEST_CASE("it learns, and tells observers") {
  struct listener {
    int steps = 0, epochs = 0, evaluations = 0;
    double first = 0, last = 0;
    void on(const step_event& e) {
      if (steps++ == 0) first = e.loss;
      CHECK(e.steps_per_epoch == 10);
      CHECK(e.learning_rate == doctest::Approx(0.05));
    }
    void on(const epoch_event& e) {
      CHECK(e.epoch == epochs++);
      last = e.loss;
    }
    void on(const evaluation_event& e) {
      ++evaluations;
      CHECK(e.samples == 100);
    }
  } listener;
  const auto set = images(100);
  trainer<no_dropout, sgd, alone, cpu> t{alone{}, usual(10)};
  t.fit(set, set, {.epochs = 6}, listener);
  CHECK(listener.steps == 60);
  CHECK(listener.epochs == 6);
  CHECK(listener.evaluations == 6);
  CHECK(listener.first == doctest::Approx(std::log(5.0)).epsilon(0.5));
  CHECK(listener.last < 0.5 * listener.first);
}

TEST_CASE("evaluation does not depend on the ranks, and is the mean over the set") {
  const auto set = images(23);
  std::vector<evaluation_event> one(1), three(3);
  auto evaluate = [&](std::vector<evaluation_event>& into) {
    local::run(int(into.size()), [&](local::transport wire) {
      trainer<small_net, sgd, local_tree, cpu> t{wire, usual(6)};
      const evaluation_event first = t.evaluate(set), second = t.evaluate(set);
      CHECK(second.loss == first.loss);
      into[static_cast<std::size_t>(wire.rank())] = second;
    });
  };
  evaluate(one), evaluate(three);
  REQUIRE(one[0].metrics.size() == 2);
  CHECK(one[0].metrics[0].name == "accuracy");
  CHECK(one[0].metrics[1].name == "top-2 accuracy");
  CHECK(one[0].metrics[0].value <= one[0].metrics[1].value);
  for (const auto& e : three) {
    CHECK(e.loss == doctest::Approx(one[0].loss).epsilon(1e-6));
    CHECK(e.metrics[0].value == one[0].metrics[0].value);
    CHECK(e.samples == 23);
  }
}

TEST_CASE("a regression finds its line") {
  std::vector<float> x, y;
  for (std::uint64_t i = 0; i < 300; ++i) x.push_back(float(random_unit({5, 0, 0, random_use::test, 0}, i)) - 0.5f);
  for (std::size_t n = 0; n < 100; ++n) {
    y.push_back(2 * x[3 * n] - x[3 * n + 1] + 0.5f);
    y.push_back(x[3 * n + 2] - 1);
  }
  const data::regression_view set{x, {3}, y, {2}};
  trainer<line, sgd, alone, cpu> t{alone{},
                                   {.batch = 20, .solver = {.momentum = 0.9f}, .learning_rate = lr::fixed{0.2f}}};
  t.fit(set, {.epochs = 100});
  const auto w = t.network().parameter_values(0), b = t.network().parameter_values(1);
  const float expected[] = {2, -1, 0, 0, 0, 1};
  for (std::size_t i = 0; i < 6; ++i) CHECK(w[i] == doctest::Approx(expected[i]).epsilon(1e-3));
  CHECK(b[0] == doctest::Approx(0.5).epsilon(1e-3));
  CHECK(b[1] == doctest::Approx(-1).epsilon(1e-3));
}

TEST_CASE_TEMPLATE("a loss that is not finite stops the run on every rank and leaves the parameters", Device, cpu,
                   remote_reference, reference_apart) {
  std::vector<float> x(3 * 8, 1.0f), y(2 * 8, 1.0f);
  x[3 * 5] = std::numeric_limits<float>::quiet_NaN();  // on the last rank alone
  int thrown = 0;
  std::mutex mutex;
  local::run(2, [&](local::transport wire) {
    trainer<line, sgd, local_tree, Device> t{wire, {.batch = 8, .threads = 1}};
    const auto before = all_parameters(t);
    const data::regression_view set{x, {3}, y, {2}};
    try {
      t.fit(set, {.epochs = 1, .shuffle = false});
    } catch (const numeric_error& e) {
      const std::lock_guard lock{mutex};
      ++thrown;
      CHECK(std::string(e.what()).find("iteration 0") != std::string::npos);
    }
    CHECK(all_parameters(t) == before);
  });
  CHECK(thrown == 2);
}

TEST_CASE("how messages travel, and when updates are made, changes nothing") {
  const auto set = images(40);
  const auto train = [&](std::size_t bucket_bytes, communicator_options c, bool record) {
    settings o = usual(12);
    o.bucket_bytes = bucket_bytes;
    std::vector<float> result;
    local::run(2, [&](local::transport wire) {
      timeline ops{4096}, messages{4096};
      trainer<small_net, sgd, local_tree, cpu> t{wire, o, c};
      if (record) t.record_into(&ops, &messages);
      t.fit(set, {.epochs = 2});
      if (wire.rank() == 0) result = all_parameters(t);
      if (!record) return;
      int seen[7] = {};
      for (const timeline* log : {&ops, &messages})
        for (const time_span& s : log->spans()) ++seen[int(s.kind)], seen[int(s.kind)] += s.end < s.begin ? 1 << 20 : 0;
      constexpr int steps = 8, op_count = model<small_net, cpu>::op_count;
      CHECK(seen[int(span_kind::load)] == steps);
      CHECK(seen[int(span_kind::forward)] == steps * op_count);
      CHECK(seen[int(span_kind::backward)] == steps * op_count);
      CHECK(seen[int(span_kind::update)] == steps * int(t.buckets().size()));
      CHECK(seen[int(span_kind::send)] >= steps * int(t.buckets().size() + 1));
      CHECK(seen[int(span_kind::send)] == seen[int(span_kind::receive)]);  // a tree of two
    });
    return result;
  };
  const std::vector<float> plain = train(1, {}, false);
  CHECK(train(100'000'000, {}, false) == plain);
  CHECK(train(1000, {.segment_bytes = 256, .window = 1}, false) == plain);
  CHECK(train(1, {.progress_thread = true}, false) == plain);
  CHECK(train(1, {}, true) == plain);
  CHECK(train(1, {.progress_thread = true}, true) == plain);
}

TEST_CASE("ranks built differently are told so, both named") {
  for (int different = 0; different < 8; ++different) {
    int thrown = 0;
    std::mutex mutex;
    local::run(2, [&](local::transport wire) {
      settings o = usual(8);
      if (wire.rank() == 1) {
        if (different == 0) o.batch = 16;
        if (different == 1) o.solver.momentum = 0.5f;
        if (different == 2) o.seed = 8;
        if (different == 3) o.bucket_bytes = 4096;
        if (different == 4) o.clip = 1;
        if (different == 5) o.solver.weight_decay += 1e-8f;
        if (different == 6) o.learning_rate = lr::fixed{0.06f};
        if (different == 7) o.learning_rate = lr::step{.base = 0.05f, .every = 500};
      }
      try {
        trainer<small_net, sgd, local_tree, cpu> t{wire, o};
      } catch (const communication_error& e) {
        const std::lock_guard lock{mutex};
        ++thrown;
        const std::string what = e.what();
        CHECK(what.find("rank 0 has ") != std::string::npos);
        CHECK(what.find("rank 1 has ") != std::string::npos);
        CHECK(what.find("small_net") != std::string::npos);
      }
    });
    CHECK(thrown == 2);
  }
}

TEST_CASE("options that cannot be used are refused") {
  using trainer_type = trainer<no_dropout, sgd, alone, cpu>;
  CHECK_THROWS_AS((trainer_type{alone{}, usual(0)}), usage_error);
  settings o = usual(4);
  o.iter_size = 0;
  CHECK_THROWS_AS((trainer_type{alone{}, o}), usage_error);
  o = usual(4);
  o.clip = -1;
  CHECK_THROWS_AS((trainer_type{alone{}, o}), usage_error);
  o = usual(4);
  o.solver.momentum = 1;
  CHECK_THROWS_WITH_AS((trainer_type{alone{}, o}), "sgd: momentum must be at least 0 and below 1", usage_error);
  trainer_type t{alone{}, usual(4)};
  CHECK_THROWS_AS(t.fit(images(8), {}), usage_error);
  CHECK_THROWS_AS(t.step(std::span<const batch_view>{}, 4), usage_error);
  const data::synthetic wrong{{.samples = 4, .extents = {1, 8, 8}, .classes = 5}};
  CHECK_THROWS_AS(t.fit(wrong, {.epochs = 1}), usage_error);
}

TEST_CASE("a label that is no class is an error that leaves the parameters") {
  const std::vector<float> x(4 * 128, 0.5f);
  trainer<no_dropout, sgd, alone, cpu> t{alone{}, usual(4)};
  const auto before = all_parameters(t);
  for (const std::int32_t wrong : {5, -1}) {
    const std::vector<std::int32_t> labels{0, 4, wrong, 1};
    const data::view set{x, {2, 8, 8}, labels};
    CHECK_THROWS_WITH_AS(t.fit(set, {.epochs = 1, .shuffle = false}),
                         ("model: sample 2 has the label " + std::to_string(wrong) + "; labels are 0 to 4").c_str(),
                         usage_error);
  }
  CHECK(all_parameters(t) == before);
}

TEST_CASE("buckets cover the gradients once, in the order they are ready") {
  for (const std::size_t bytes : {1u, 1000u, 10'000u, 100'000'000u}) {
    const auto buckets = buckets_of<small_net, cpu>(bytes);
    std::size_t at = 0;
    int op = plan<small_net, cpu>.op_count;
    for (const bucket& b : buckets) {
      CHECK(b.first == at);
      CHECK(b.last > b.first);
      CHECK(b.ready_op < op);
      at = b.last, op = b.ready_op;
    }
    CHECK(at == parameters_of<small_net, cpu>.elements);
  }
  CHECK(buckets_of<small_net, cpu>(1).size() == 3);
  CHECK(buckets_of<small_net, cpu>(100'000'000).size() == 1);
}
