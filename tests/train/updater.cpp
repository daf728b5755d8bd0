#include "firecaffe/train/updater.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "firecaffe/cpu.hpp"
#include "firecaffe/solvers/lamb.hpp"
#include "firecaffe/solvers/lars.hpp"
#include "reference_layers.hpp"

namespace firecaffe {

// Passes its input on, and keeps the running mean of every channel over the batch and the plane.
struct watched : layer_defaults {
  static constexpr const char* name = "watched";
  template <class T>
  using parameters = weight_only<T>;
  static constexpr weight_only<parameter> describe(shape in) { return {{"mean", in.channels, 1, 1, {}, 0.25f}}; }
  static constexpr shape output(shape in) { return in; }
  static constexpr std::int64_t flops(shape) { return 0; }
};

template <class Device, place In, place Out>
struct implementation<Device, watched, In, Out> {
  using T = typename Device::scalar;
  static constexpr weight_only<weight_layout> storage() { return canonical_storage<watched>(In.extents); }
  implementation(Device&, int) {}
  void forward(Device& device, tensor_view<const T> x, tensor_view<T> y, weight_only<const T*>, const pass&) {
    device.copy(y, x);
  }
  void backward(Device& device, tensor_view<const T> x, tensor_view<const T>, tensor_view<T> dy, tensor_view<T> dx,
                weight_only<const T*>, weight_only<T*> values, accumulation adds, const pass& now) {
    for (int c = 0; c < In.extents.channels; ++c) {
      double sum = 0;
      for (int n = 0; n < x.samples; ++n)
        for (int p = 0; p < In.extents.pixels(); ++p) sum += double(x(n, c, p));
      const double value = sum / In.extents.pixels() * now.scale;
      values.weight[c] = T(value + (adds.parameters ? double(values.weight[c]) : 0.0));
    }
    if (dx && adds.input) device.transform(dx, add_values{}, tensor_view<const T>(dy), tensor_view<const T>(dx));
    if (dx && !adds.input) device.copy(dx, tensor_view<const T>(dy));
  }
};

}  // namespace firecaffe

using namespace firecaffe;

namespace {

placed_parameter placed(std::size_t offset, int outputs, int inputs, parameter_settings settings, float follows = 0) {
  placed_parameter p;
  p.description = {"", outputs, inputs, 1, settings, follows};
  p.stored.extent = std::size_t(outputs * inputs), p.offset = offset;
  return p;
}

// Two buckets: 3 + 4 elements that learn; 2 that learn, 2 that are frozen, 2 that follow.
const std::vector<placed_parameter> five{placed(0, 3, 1, {}), placed(16, 2, 2, {}), placed(32, 2, 1, {}),
                                         placed(48, 2, 1, {.fill = {}, .lr_mult = 0}), placed(64, 2, 1, {}, 0.5f)};
const std::vector<bucket> two{{0, 32, 1}, {32, 80, 0}};

}  // namespace

TEST_CASE("neighbours that are treated alike are updated in one go, but not across buckets") {
  const update_segments together(five.data(), 5, two, false), apart(five.data(), 5, two, true);
  REQUIRE(together.list.size() == 4);
  CHECK(together.ends == std::vector<std::size_t>{1, 4});
  CHECK(together.list[0].first == 0);
  CHECK(together.list[0].count == 20);  // with what pads the first
  CHECK(together.list[1].first == 32);
  CHECK(together.list[1].count == 2);
  CHECK(together.list[2].lr_mult == 0);
  CHECK(together.list[3].follows == 0.5f);
  REQUIRE(apart.list.size() == 5);
  CHECK(apart.ends == std::vector<std::size_t>{2, 5});
  CHECK(apart.list[0].one_dimensional);
  CHECK_FALSE(apart.list[1].one_dimensional);
}

TEST_CASE_TEMPLATE("gradients of a larger norm than clip are scaled to it, and only those", Device, reference, cpu) {
  using T = typename Device::scalar;
  for (const double clip : {0.0, 9.9, 10.0, 10.1}) {
    CAPTURE(clip);
    Device device = Device::for_rank(0, 1, 1);
    updater<sgd, Device> update(device, five.data(), 5, 80, two, clip);
    std::vector<T> w(80), g(80);
    g[0] = 2, g[2] = -4, g[16] = 4, g[19] = 8, g[33] = 0;  // squares: 4 + 16 + 16 + 64
    g[48] = 1000, g[49] = -1000;                           // frozen: not counted
    g[64] = 1000, w[64] = 10;                              // a running mean: neither counted nor scaled
    update.apply(device, sgd{}, w.data(), g.data(), 0, 0.5, 0);
    CHECK((w[0] == T(0)) == (clip > 0));  // which waits for all buckets
    update.apply(device, sgd{}, w.data(), g.data(), 1, 0.5, 0);
    const double scale = clip == 9.9 ? 0.99 : 1;
    for (const std::size_t i : {0u, 2u, 16u, 19u, 33u})
      CHECK(double(w[i]) == doctest::Approx(-0.5 * scale * double(g[i])));
    if (clip != 9.9) CHECK(w[19] == T(-4));
    CHECK(w[48] == T(0));
    CHECK(w[49] == T(0));
    CHECK(w[64] == T(505));
    CHECK(w[65] == T(0));
  }
}

namespace {

struct watching : network<input<2, 3, 3>, watched, conv<5, kernel<2>>, watched, dense<4>, softmax_loss> {};

data::synthetic images(std::size_t samples) {
  return data::synthetic{{.samples = samples, .extents = {2, 3, 3}, .classes = 4, .seed = 3, .signal = 2}};
}

// Parameters after training, the same bits on all ranks.
template <class Net, class Solver, class Device>
std::vector<std::vector<typename Device::scalar>> trained(int ranks, const trainer_options<Solver>& o) {
  using trainer_type = trainer<Net, Solver, tree<local::transport>, Device>;
  std::vector<std::vector<std::vector<typename Device::scalar>>> results(static_cast<std::size_t>(ranks));
  local::run(ranks, [&](local::transport wire) {
    trainer_type t{wire, o};
    t.fit(images(30), {.epochs = 2});
    for (int i = 0; i < trainer_type::model_type::the_parameters.count; ++i)
      results[static_cast<std::size_t>(wire.rank())].push_back(t.network().parameter_values(i));
  });
  for (const auto& r : results) CHECK(r == results[0]);
  return results[0];
}

template <class T, class U>
double difference(const std::vector<std::vector<T>>& a, const std::vector<std::vector<U>>& b) {
  double worst = 0, scale = 0;
  for (std::size_t k = 0; k < a.size(); ++k)
    for (std::size_t i = 0; i < a[k].size(); ++i) {
      worst = std::max(worst, std::abs(double(a[k][i]) - double(b[k][i])));
      scale = std::max(scale, std::abs(double(b[k][i])));
    }
  return worst / scale;
}

template <class Solver>
trainer_options<Solver> options(Solver solver, float clip) {
  return {.batch = 10,
          .solver = solver,
          .learning_rate = lr::fixed{0.05f},
          .clip = clip,
          .seed = 7,
          .threads = 1,
          .bucket_bytes = 64};
}

}  // namespace

// Every rank has one and the same result; another number of ranks adds in another order.
TEST_CASE_TEMPLATE("norms and clipping do not depend on the ranks", Solver, sgd, lars, lamb) {
  const auto plain = trained<watching, Solver, reference>(1, options(Solver{}, 0));
  const auto clipped = trained<watching, Solver, reference>(1, options(Solver{}, 0.01f));
  CHECK(difference(clipped, plain) > 1e-6);
  CHECK(difference(trained<watching, Solver, reference>(2, options(Solver{}, 0)), plain) < 1e-12);
  CHECK(difference(trained<watching, Solver, reference>(2, options(Solver{}, 0.01f)), clipped) < 1e-12);
  CHECK(difference(trained<watching, Solver, cpu>(2, options(Solver{}, 0.01f)), clipped) < 1e-4);
}

TEST_CASE_TEMPLATE("running means follow, whatever the solver, the ranks, the passes", Device, reference, basic_cpu<8>,
                   basic_cpu<16>) {
  using T = typename Device::scalar;
  std::vector<float> x(24 * 18);
  std::vector<std::int32_t> labels(24, 1);
  std::mt19937 random{5};
  for (float& v : x) v = std::normal_distribution<float>{1, 1}(random);
  double expected[2] = {};
  for (int step = 0; step < 4; ++step)
    for (std::size_t c = 0; c < 2; ++c) {
      double mean = 0;
      for (std::size_t n = 0; n < 6; ++n)
        for (std::size_t p = 0; p < 9; ++p) mean += double(x[(std::size_t(step) * 6 + n) * 18 + c * 9 + p]) / 54;
      expected[c] = 0.75 * expected[c] + 0.25 * mean;
    }
  const double tolerance = sizeof(T) > 4 ? 1e-12 : 1e-6;
  for (const int ranks : {1, 2})
    for (const int passes : {1, 2}) {
      CAPTURE(ranks);
      CAPTURE(passes);
      local::run(ranks, [&](local::transport wire) {
        trainer_options<sgd> o = options(sgd{.momentum = 0.9f, .weight_decay = 0.5f}, 1e-3f);
        o.batch = 6 / passes, o.iter_size = passes;
        trainer<watching, sgd, tree<local::transport>, Device> t{wire, o};
        t.fit(data::view{x, {2, 3, 3}, labels}, {.epochs = 1, .shuffle = false});
        const auto mean = t.network().parameter_values(t.network().the_parameters.count - 1);
        REQUIRE(mean.size() == 2);
        for (std::size_t c = 0; c < 2; ++c) CHECK(std::abs(double(mean[c]) - expected[c]) < tolerance);
      });
    }
}

// A head that ends in no loss has no backward pass: its gradients are never written, and its weights must not decay.
TEST_CASE("what no loss depends on stays as it was") {
  struct net : network<input<4>, tap<ratio<1>, batch_norm<>, dense<3>>, dense<2>, softmax_loss> {};
  std::vector<float> x(12 * 4);
  std::vector<std::int32_t> labels(12, 1);
  std::mt19937 random{7};
  for (float& v : x) v = std::normal_distribution<float>{1, 1}(random);
  local::run(1, [&](local::transport wire) {
    trainer<net, sgd, tree<local::transport>, cpu> t{
        wire, {.batch = 4, .solver = {.momentum = 0.9f, .weight_decay = 0.5f}, .threads = 1}};
    auto& m = t.network();
    std::vector<std::vector<float>> before;
    for (int i = 0; i < m.the_parameters.count; ++i) before.push_back(m.parameter_values(i));
    t.fit(data::view{x, {4}, labels}, {.epochs = 2});
    int trained = 0, kept = 0;
    for (int i = 0; i < m.the_parameters.count; ++i) {
      const bool same = m.parameter_values(i) == before[std::size_t(i)];
      CHECK(same == !m.the_parameters.list[i].trained);
      ++(same ? kept : trained);
    }
    CHECK(trained == 2);
    CHECK(kept == 6);
  });
}
