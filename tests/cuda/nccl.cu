// With several devices ranks are threads of this process, each on its own; with one, one rank.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <vector>

#include "device_buckets.hpp"
#include "firecaffe/comm/local.hpp"
#include "firecaffe/firecaffe.hpp"
#include "firecaffe/nccl.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;
using nccl_ranks = nccl<local::transport>;

static_assert(gradient_communicator<nccl_ranks> && sums_on_device<nccl_ranks>);

namespace {

int most_ranks() { return std::min(firecaffe::cuda::devices(), 4); }

struct small_net : network<input<6>, dense<16>, relu, dense<3>, euclidean_loss> {};

// Parameters of rank 0 after some steps.
template <class Communicator>
std::vector<float> train_on(int ranks, unsigned seed) {
  std::vector<float> out, x(40 * 6), y(40 * 3);
  std::mt19937 random{seed};
  for (float& v : x) v = std::uniform_real_distribution<float>{-1, 1}(random);
  for (float& v : y) v = std::uniform_real_distribution<float>{-1, 1}(random);
  local::run(ranks, [&](local::transport wire) {
    trainer<small_net, sgd, Communicator, firecaffe::cuda> t{
        wire, {.batch = 8, .solver = {.momentum = 0.9f}, .learning_rate = lr::fixed{0.05f}, .bucket_bytes = 128}};
    t.fit(data::regression_view{x, {6}, y, {3}}, {.epochs = 3});
    if (wire.rank() != 0) return;
    for (int i = 0; i < decltype(t)::model_type::the_parameters.count; ++i)
      for (const float v : t.network().parameter_values(i)) out.push_back(v);
  });
  return out;
}

}  // namespace

TEST_CASE("buckets on devices and numbers on the host are summed") {
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  for (int ranks = 1; ranks <= most_ranks(); ++ranks) {
    CAPTURE(ranks);
    std::atomic<int> wrong = 0;
    local::run(ranks, [&](local::transport wire) {
      std::mt19937 same{seed};
      std::vector<std::size_t> sizes;
      for (int b = 0; b < 5; ++b) sizes.push_back(b == 3 ? 0 : 1 + same() % 50000);
      test::device_buckets data(firecaffe::cuda::for_rank(wire.node_rank(), wire.node_size(), 1), sizes);
      nccl_ranks all{wire, {.timeout = 20s}};
      for (std::size_t b = 0; b < data.count(); ++b) all.prepare<float>(static_cast<int>(b), sizes[b]);
      for (int iteration = 0; iteration < 3; ++iteration) {
        data.fill(wire.rank());
        double loss = 1;
        all.start(9, std::span{&loss, 1});
        for (std::size_t b = 0; b < data.count(); ++b) all.start(static_cast<int>(b), data.bucket(b));
        all.wait(2);
        double count = wire.rank();
        all.sum({&count, 1});
        all.wait_all();
        wrong += loss != ranks || count != ranks * (ranks - 1) / 2 || !all.finished(0) || !all.progress();
        for (std::size_t b = 0; b < data.count(); ++b) wrong += static_cast<int>(data.wrong(b, ranks));
      }
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("training on every device is that on one") {
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  const std::vector<float> one = train_on<tree<local::transport>>(1, seed);
  for (int ranks = 1; ranks <= most_ranks(); ++ranks) {
    CAPTURE(ranks);
    const std::vector<float> found = train_on<nccl_ranks>(ranks, seed);
    REQUIRE(found.size() == one.size());
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(found[i] == doctest::Approx(one[i]).epsilon(1e-4));
  }
}

TEST_CASE("more ranks than devices are refused on all ranks, and so is memory of the host") {
  const int ranks = firecaffe::cuda::devices() + 1;
  std::atomic<int> refused = 0;
  local::run(ranks, [&](local::transport wire) {
    try {
      nccl_ranks all{wire};
    } catch (const usage_error& e) {
      refused += std::string(e.what()).find("needs a device of its own") != std::string::npos;
    }
  });
  CHECK(refused == ranks);

  local::world world{1};
  nccl_ranks all{world.transport(0)};
  std::vector<float> here(10);
  CHECK_THROWS_WITH_AS(all.start(2, std::span{here}),
                       "nccl: bucket 2 does not lie in the memory of device 0, which rank 0 has", usage_error);
}

TEST_CASE("what NCCL has under way is recorded") {
  local::world world{1};
  nccl_ranks all{world.transport(0)};
  timeline log(16);
  all.record_into(&log);
  firecaffe::cuda device;
  const auto memory = device.allocate<float>(1000);
  device.synchronize();
  all.start(3, std::span{memory.data(), 1000});
  all.wait_all();
  REQUIRE(log.spans().size() == 1);
  CHECK(log.spans()[0].kind == span_kind::receive);
  CHECK(log.spans()[0].id == 3);
  CHECK(log.spans()[0].peer == -1);
}
