#include <cmath>
#include <string>
#include <thread>

#include "../reference_layers.hpp"
#include "agreement.hpp"

using namespace firecaffe;

static_assert(replays_steps<sgd, firecaffe::cuda> && replays_steps<adam, cuda_bf16>);

namespace {

struct small_net : network<input<2, 8, 8>, conv<6, kernel<3>>, batch_norm<grain<3>>, relu, conv<9, kernel<1>>,
                           max_pool<kernel<2>, stride<2>>, dropout<ratio<1, 4>>, dense<12>, firecaffe::tanh, dense<5>,
                           accuracy<1>, softmax_loss> {};

template <class Net, class Device>
constexpr bool gradient_comes_with_loss = model<Net, Device>::writes_gradient_with_loss;
struct measured : network<input<4>, dense<3>, softmax_loss, accuracy<1>> {};
struct fitted : network<input<4>, dense<3>, euclidean_loss> {};
static_assert(gradient_comes_with_loss<small_net, cuda_bf16> && gradient_comes_with_loss<measured, firecaffe::cuda>);
static_assert(!gradient_comes_with_loss<fitted, firecaffe::cuda>);

// The parameters of rank 0 after some epochs on so many ranks, which are threads of this process, and the loss of each
// step.
struct trained {
  std::vector<double> parameters, losses, evaluated;
};

struct keep_losses {
  std::vector<double>*to, *evaluated;
  void on(const step_event& e) { to->push_back(e.loss); }
  void on(const evaluation_event& e) { evaluated->push_back(e.loss); }
  template <class Event>
  void on(const Event&) {}
};

// How the device is asked for a step: once and for all, anew each time, or op by op as they are recorded in a timeline.
enum class asked { by_graphs, anew, by_op };

template <class Device>
trained train_on(int ranks, std::size_t samples = 48, asked how = asked::by_graphs) {
  trained out;
  local::run(ranks, [&](local::transport wire) {
    trainer<small_net, sgd, tree<local::transport>, Device> t{wire,
                                                              {.batch = 12,
                                                               .solver = {.momentum = 0.9f, .weight_decay = 1e-3f},
                                                               .learning_rate = lr::fixed{0.05f},
                                                               .seed = 7,
                                                               .threads = 1,
                                                               .bucket_bytes = 1024,
                                                               .graphs = how == asked::by_graphs}};
    timeline ops{4096};
    if (how == asked::by_op) t.record_into(&ops, nullptr);
    std::vector<double> losses, evaluated;
    keep_losses watch{&losses, &evaluated};
    const data::synthetic set({.samples = samples, .extents = {2, 8, 8}, .classes = 5, .seed = 3, .signal = 2});
    t.fit(set, set, {.epochs = 4}, watch);
    if (wire.rank() != 0) return;
    for (int i = 0; i < decltype(t)::model_type::the_parameters.count; ++i)
      for (const auto x : t.network().parameter_values(i)) out.parameters.push_back(double(x));
    out.losses = losses, out.evaluated = evaluated;
  });
  return out;
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::fmax(worst, std::fabs(a[i] - b[i])), scale = std::fmax(scale, std::fabs(b[i]));
  return worst / scale;
}

}  // namespace

// 16 steps of single precision beside double, masks and shuffles the same; then ranks
// that add up in another order.
TEST_CASE("training agrees with the reference step by step, on one rank and on several of one device") {
  const trained expected = train_on<reference>(1);
  REQUIRE(expected.losses.size() == 16);
  for (const int ranks : {1, 2, 4}) {
    const trained found = train_on<firecaffe::cuda>(ranks), again = train_on<firecaffe::cuda>(ranks);
    INFO(ranks, " ranks: losses off by ", difference(found.losses, expected.losses), ", parameters by ",
         difference(found.parameters, expected.parameters));
    CHECK(difference(found.losses, expected.losses) < 2e-4);
    CHECK(difference(found.evaluated, expected.evaluated) < 2e-4);
    CHECK(difference(found.parameters, expected.parameters) < 2e-4);
    CHECK(found.parameters == again.parameters);
  }
}

TEST_CASE_TEMPLATE("steps that are replayed as graphs are those that are asked for op by op", Device, firecaffe::cuda,
                   cuda_bf16) {
  for (const int ranks : {1, 2}) {
    CAPTURE(ranks);
    const trained replayed = train_on<Device>(ranks, 50);
    CHECK(replayed.losses.size() == 20);  // of which 4 of a short batch
    for (const asked how : {asked::anew, asked::by_op}) {
      const trained other = train_on<Device>(ranks, 50, how);
      CHECK(difference(replayed.losses, other.losses) < 1e-6);
      CHECK(difference(replayed.evaluated, other.evaluated) < 1e-6);
      CHECK(difference(replayed.parameters, other.parameters) < 1e-6);
    }
  }
}

TEST_CASE("devices of another thread come and go while steps are recorded") {
  std::string failed;
  std::jthread other([&](std::stop_token stop) {
    try {
      const std::vector<float> x(2 * 8 * 8);
      while (!stop.stop_requested()) {
        model<small_net, firecaffe::cuda> m(firecaffe::cuda{}, 1);
        m.load(x.data(), 1);
        m.forward({});
        m.device().synchronize();
      }
    } catch (const std::exception& e) {
      failed = e.what();
    }
  });
  const trained first = train_on<firecaffe::cuda>(1, 50);
  for (int i = 0; i < 5; ++i) CHECK(train_on<firecaffe::cuda>(1, 50).losses == first.losses);
  other.request_stop();
  other.join();
  CHECK(failed == "");
}
