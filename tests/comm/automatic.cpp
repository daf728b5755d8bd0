// computes much: schedules of many ranks, step by step
#include "firecaffe/comm/automatic.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/local.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

static_assert(gradient_communicator<automatic<local::transport>>);
static_assert(gradient_communicator<automatic_among<local::transport, tree_schedule>>);

namespace {

// Messages that take their time: they queue for the receiver's port, which carries `bandwidth`, and then come late.
class slow_transport {
 public:
  static constexpr std::string_view name = "slow";
  static constexpr bool reaches_device_memory = false;
  static constexpr double latency = 300e-6, bandwidth = 20e6;

  using clock = std::chrono::steady_clock;
  struct request {
    local::transport::request inner{};
    std::size_t bytes = 0;
    bool receives = false, arrived = false;
    clock::time_point ready{};
  };

  explicit slow_transport(local::transport inner) : inner_(inner) {}
  int rank() const { return inner_.rank(); }
  int size() const { return inner_.size(); }
  int node_rank() const { return 0; }
  int node_size() const { return 1; }
  node_map nodes() const { return node_map::even(size(), 1); }
  int largest_tag() const { return inner_.largest_tag(); }
  request isend(int peer, int tag, const void* from, std::size_t bytes) {
    return {inner_.isend(peer, tag, from, bytes), bytes, false, false, {}};
  }
  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    return {inner_.irecv(peer, tag, into, bytes), bytes, true, false, {}};
  }
  bool test(request& r) {
    const auto after = [](double s) {
      return std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(s));
    };
    if (!r.arrived) {
      if (!inner_.test(r.inner)) return false;
      r.arrived = true;
      free_ = std::max(free_, clock::now()) + after(static_cast<double>(r.bytes) / bandwidth);
      r.ready = r.receives ? free_ + after(latency) : clock::time_point{};
      if (!r.receives) free_ -= after(static_cast<double>(r.bytes) / bandwidth);
    }
    return clock::now() >= r.ready;
  }
  bool cancel(request& r) noexcept { return r.arrived || inner_.cancel(r.inner); }
  void idle() { inner_.idle(); }

 private:
  local::transport inner_;
  clock::time_point free_{};
};
static_assert(transport<slow_transport>);

const choice_options quick{
    .probe = {.seconds = 2e-3, .message_bytes = {16 << 10, 32 << 10}, .stream_bytes = 128 << 10}};

}  // namespace

TEST_CASE("sums are right, and every rank chooses alike") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  for (const int ranks : {1, 2, 3, 5}) {
    CAPTURE(ranks);
    std::mutex guard;
    std::vector<std::vector<std::string>> choices(static_cast<std::size_t>(ranks));
    std::atomic<int> wrong{0};
    local::run(ranks, [&](local::transport wire) {
      std::mt19937 same{seed};
      automatic<local::transport> all{wire, {.timeout = 30s}, quick};
      REQUIRE((all.size() == ranks && all.rank() == wire.rank() && all.node_size() == ranks));
      const std::vector<std::size_t> sizes{0, 1, 100, 10000 + same() % 1000, 300000, 301000};
      std::vector<std::vector<float>> data;
      for (std::size_t b = 0; b < sizes.size(); ++b) {
        all.prepare<float>(static_cast<int>(b), sizes[b]);
        data.emplace_back(sizes[b]);
        for (std::size_t i = 0; i < sizes[b]; ++i)
          data[b][i] = static_cast<float>((i * 7 + b + static_cast<std::size_t>(all.rank())) % 64);
      }
      all.agree(17, "a test");
      for (std::size_t b = sizes.size(); b-- > 0;) all.start(static_cast<int>(b), std::span{data[b]});
      while (!all.progress()) std::this_thread::yield();
      for (std::size_t b = 0; b < sizes.size(); ++b) {
        REQUIRE(all.finished(static_cast<int>(b)));
        for (std::size_t i = 0; i < sizes[b]; ++i) {
          float expected = 0;
          for (int r = 0; r < ranks; ++r)
            expected += static_cast<float>((i * 7 + b + static_cast<std::size_t>(r)) % 64);
          if (data[b][i] != expected) ++wrong;
        }
      }
      // One that was not prepared, in double precision; then the same bucket prepared for another size.
      std::vector<double> more(1000, 1.0 + all.rank());
      all.start(9, std::span{more});
      all.wait(9);
      for (const double x : more) wrong += x != ranks * (ranks + 1) / 2.0;
      all.prepare<float>(9, 500);
      std::vector<float> other(500, 1.0f);
      all.start(9, std::span{other});
      all.wait_all();
      for (const float x : other) wrong += x != static_cast<float>(ranks);
      if (ranks == 1) {
        CHECK_THROWS_AS(all.chosen(0), usage_error);
        return;
      }
      CHECK_THROWS_AS(all.chosen(8), usage_error);

      const std::lock_guard lock(guard);
      auto& mine = choices[static_cast<std::size_t>(all.rank())];
      for (const int b : {0, 1, 2, 3, 4, 5, 9}) {
        const choice c = all.chosen(b);
        mine.push_back(std::string(c.schedule) + " " + std::to_string(c.segment_bytes) + " " +
                       std::to_string(c.predicted) + " " + std::to_string(c.measured));
      }
      CHECK(mine[4] == mine[5]);  // almost as large
      mine.push_back(std::to_string(all.measured().network.latency) + " " + std::to_string(all.measured().add_rate));
      CHECK(all.nodes() == node_map(ranks));
    });
    CHECK(wrong == 0);
    for (const auto& c : choices) CHECK(c == choices[0]);
  }
}

TEST_CASE("what is measured, and what is chosen by it") {
  bool held_up = true;  // every message, by a busy machine, so that it looks like another: then it is measured again
  for (int tries = 5; held_up && tries > 0; --tries)
    local::run(8, [&](local::transport wire) {
      choice_options by_model = quick;
      by_model.trial_seconds = 0;
      automatic<slow_transport> all{wire, {.timeout = 30s}, by_model};
      // A busy machine makes it slower than it is, never faster.
      const machine m = all.measured();
      CHECK(all.nodes() == node_map::even(8, 1));
      const double message = m.network.latency + 2 * m.message_seconds;
      CHECK(message > 0.9 * slow_transport::latency);
      // The bandwidth is that of a stream less one message: it alone is too high where the message was held up.
      const double stream = double(quick.probe.stream_bytes);
      CHECK(message + stream / m.network.bandwidth > 0.9 * stream / slow_transport::bandwidth);
      CHECK(m.network.bandwidth > 0);
      CHECK(m.add_rate > 0);
      all.prepare<float>(0, 16);
      all.prepare<float>(1, 200'000);  // 40 ms through a port
      const choice small = all.chosen(0), large = all.chosen(1);
      if (all.rank() == 0)
        MESSAGE(std::string(small.schedule) << " for 64 bytes, " << std::string(large.schedule) << " for 800 KB");
      const bool again = message > 5 * slow_transport::latency && tries > 1;
      if (all.rank() == 0) held_up = again;
      if (!again)
        CHECK((small.schedule == "tree" || small.schedule == "recursive_doubling" || small.schedule == "direct" ||
               small.schedule == "halving_doubling"));
      CHECK((large.schedule == "ring" || large.schedule == "halving_doubling" || large.schedule == "direct"));
      CHECK(small.predicted > 0.9 * m.network.latency);
      CHECK(large.predicted > 0.8 * least_seconds({.network = {0, m.network.bandwidth}}, 8, 800'000));
    });
}

TEST_CASE("with a codec") {
  local::run(3, [&](local::transport wire) {
    automatic<local::transport, bf16> all{wire, {.timeout = 30s}, quick};
    CHECK(all.name().find("local, bf16>") != std::string::npos);
    std::vector<float> kept(5000);
    const auto third = static_cast<float>(1 + all.rank()) / 3;
    for (const bool exact : {true, false, true}) {
      all.prepare<float>(0, 5000, exact);
      std::fill(kept.begin(), kept.end(), third);
      all.start(0, std::span{kept});
      all.wait(0);
      if (exact)
        CHECK(kept[4999] == doctest::Approx(2.0).epsilon(1e-6));
      else
        CHECK(kept[4999] == doctest::Approx(2.0).epsilon(2e-2));
    }
  });
}

TEST_CASE("trials decide where the model cannot") {
  local::run(2, [&](local::transport wire) {
    choice_options all_of_them = quick;
    all_of_them.margin_in_node = 1e9;
    all_of_them.segment_bytes = {SIZE_MAX};
    automatic_among<local::transport, ring_schedule, tree_schedule> tried{wire, {.timeout = 30s}, all_of_them};
    tried.prepare<float>(0, 50'000);
    CHECK(tried.chosen(0).measured > 0);
    all_of_them.trial_seconds = 0;
    automatic_among<local::transport, ring_schedule, tree_schedule> priced{wire, {.timeout = 30s}, all_of_them};
    priced.prepare<float>(0, 50'000);
    CHECK(priced.chosen(0).measured == 0);
    CHECK(priced.chosen(0).predicted > 0);
    CHECK(priced.chosen(0).segment_bytes == SIZE_MAX);
  });
}

TEST_CASE("ranks that prepare different buckets are told") {
  std::atomic<int> told{0};
  CHECK_THROWS_AS(local::run(2,
                             [&](local::transport wire) {
                               automatic<local::transport> all{wire, {.timeout = 30s}, quick};
                               try {
                                 all.prepare<float>(0, wire.rank() == 0 ? 1000 : 2000);
                               } catch (const communication_error& e) {
                                 told += std::string(e.what()).find("2000 elements") != std::string::npos;
                                 throw;
                               }
                             }),
                  communication_error);
  CHECK(told == 2);
  choice_options none = quick;
  none.segment_bytes.clear();
  CHECK_THROWS_AS(local::run(1,
                             [&](local::transport wire) {
                               automatic<local::transport>{wire, {}, none};
                             }),
                  usage_error);
}
