#include "firecaffe/comm/communicator.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <random>

#include "firecaffe/comm/algorithms.hpp"
#include "firecaffe/comm/contract.hpp"
#include "firecaffe/comm/local.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;

static_assert(gradient_communicator<tree<local::transport>>);
static_assert(gradient_communicator<ring<local::transport>>);
static_assert(tree<local::transport>::bytes_sent(0, 8, 1000, sizeof(float)) == 3 * 4000);
static_assert(tree<local::transport>::bytes_sent(5, 8, 1000, sizeof(double)) == 8000);

namespace {

// Buckets of random sizes, float and double, started in the same order, waited for in another.
template <class Communicator>
void train_like(local::transport wire, unsigned seed) {
  const int ranks = wire.size();
  std::mt19937 same{seed}, mine{seed + 1 + static_cast<unsigned>(wire.rank())};
  std::vector<std::vector<float>> singles;
  std::vector<std::vector<double>> doubles;
  for (int b = 0; b < 5; ++b) {
    singles.emplace_back(same() % 3000);
    doubles.emplace_back(same() % 3000);
  }
  Communicator all{wire, {.segment_bytes = 1024, .timeout = 20s}};
  for (int iteration = 0; iteration < 5; ++iteration) {
    for (int b = 0; b < 5; ++b) {
      std::vector<float>& f = singles[static_cast<std::size_t>(b)];
      std::vector<double>& d = doubles[static_cast<std::size_t>(b)];
      for (std::size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(i + static_cast<std::size_t>(wire.rank()));
      for (std::size_t i = 0; i < d.size(); ++i) d[i] = static_cast<double>(b) + 0.5;
      all.start(2 * b, std::span{f});
      all.start(2 * b + 1, std::span{d});
      if (mine() % 2) all.progress();
    }
    double loss[2] = {1.0 + wire.rank(), 2.0};
    all.sum(loss);  // while buckets are under way
    if (loss[0] != ranks * (ranks + 1) / 2.0 || loss[1] != 2.0 * ranks) throw usage_error("wrong blocking sum");
    if (iteration % 2) all.wait(static_cast<int>(mine() % 10));
    all.wait_all();
    if (!all.progress() || !all.finished(3)) throw usage_error("not finished");
    for (const std::vector<float>& f : singles)
      for (std::size_t i = 0; i < f.size(); ++i)
        if (f[i] !=
            static_cast<float>(static_cast<std::size_t>(ranks) * i) + static_cast<float>(ranks * (ranks - 1) / 2))
          throw usage_error("wrong sum of floats");
    for (int b = 0; b < 5; ++b)
      for (const double x : doubles[static_cast<std::size_t>(b)])
        if (x != ranks * (b + 0.5)) throw usage_error("wrong sum of doubles");
  }
}

}  // namespace

TEST_CASE("buckets of a training step, tree and ring") {
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  for (const int ranks : {1, 2, 3, 5, 8}) {
    CAPTURE(ranks);
    local::run(ranks, [&](local::transport t) { train_like<tree<local::transport>>(t, seed); });
    local::run(ranks, [&](local::transport t) { train_like<ring<local::transport>>(t, seed); });
  }
}

TEST_CASE("one rank posts no message") {
  local::world world{1};
  tree<local::transport> all{world.transport(0)};
  std::vector<float> data{1, 2, 3};
  all.start(0, std::span{data});
  CHECK(all.progress());
  all.wait(0);
  double x[1] = {4};
  all.sum(x);
  all.agree(1, "anything");
  CHECK(data == std::vector<float>{1, 2, 3});
  CHECK(x[0] == 4);
  CHECK(all.name() == "tree<local>");
}

TEST_CASE("ranks that agree go on; one that differs is named to all, with both descriptions") {
  local::run(5, [](local::transport wire) {
    tree<local::transport> all{wire, {.timeout = 20s}};
    all.agree(0xfedcba9876543210u, "lenet, sgd, batch 64");
    all.agree(17, "");
  });
  for (const int odd : {0, 1, 3}) {
    std::atomic<int> told = 0;
    local::run(5, [&](local::transport wire) {
      tree<local::transport> all{wire, {.timeout = 20s}};
      const bool differs = wire.rank() == odd;
      try {
        all.agree(0xfedcba9876543210u + (differs ? 1ull << 48 : 0), differs ? "nin" : "lenet");
      } catch (const communication_error& e) {
        const int other = odd == 0 ? 1 : odd;  // the first that is not like rank 0
        const std::string rank0 = odd == 0 ? "nin" : "lenet", rest = odd == 0 ? "lenet" : "nin";
        const std::string tail = "; tree<local>, segments of 61440 bytes";
        const std::string expected = "rank " + std::to_string(wire.rank()) + ": ranks do not agree: rank 0 has " +
                                     rank0 + tail + "; rank " + std::to_string(other) + " has " + rest + tail;
        if (e.what() == expected && e.peer == (wire.rank() == other ? 0 : other)) ++told;
      }
    });
    CHECK(told == 5);
  }
}

TEST_CASE("options that change the messages are part of the agreement") {
  std::atomic<int> told = 0;
  local::run(3, [&](local::transport wire) {
    tree<local::transport> all{wire, {.segment_bytes = wire.rank() == 2 ? 4096u : 8192u, .timeout = 20s}};
    try {
      all.agree(1, "x");
    } catch (const communication_error& e) {
      told += e.peer == (wire.rank() == 2 ? 0 : 2);
    }
  });
  CHECK(told == 3);
}

TEST_CASE("a rank that throws ends the others' waits, at once") {
  std::mutex guard;
  std::vector<std::string> told;
  CHECK_THROWS_WITH_AS(local::run(4,
                                  [&](local::transport wire) {
                                    std::vector<float> data(1000, 1.0f);
                                    tree<local::transport> all{wire, {.segment_bytes = 400}};
                                    if (wire.rank() == 2) throw numeric_error("loss is not finite");
                                    try {
                                      all.start(4, std::span{data});
                                      all.wait(4);
                                    } catch (const communication_error& e) {
                                      const std::lock_guard lock(guard);
                                      if (e.peer == 2) told.push_back(e.what());
                                      throw;
                                    }
                                  }),
                       "loss is not finite", numeric_error);
  CHECK(told.size() == 3);  // rank 1 too, which has no link to rank 2
  for (const std::string& what : told) {
    INFO(what);
    CHECK(what.find("rank 2 failed while this rank waited for rank") != std::string::npos);
    CHECK(what.find(", bucket 4: ") != std::string::npos);
  }
}

TEST_CASE("a rank that stalls is named with its bucket") {
  std::atomic<bool> over = false;
  std::atomic<int> named = 0;
  local::run(2, [&](local::transport wire) {
    std::vector<float> data(8);
    tree<local::transport> all{wire, {.timeout = 100ms}};
    if (wire.rank() == 1) {
      while (!over) wire.idle();
      return;
    }
    all.start(6, std::span{data});
    try {
      all.wait_all();
    } catch (const communication_error& e) {
      named += std::string(e.what()) ==
               "rank 0: waited 0.1 s for rank 1, bucket 6: receive_add of elements [0, 8), step 1 of 2";
    }
    over = true;
  });
  CHECK(named == 1);
}

TEST_CASE("misuse is refused") {
  local::world world{2};
  CHECK_THROWS_AS((tree<local::transport>{world.transport(0), {.segment_bytes = 4}}), usage_error);
  tree<local::transport> all{world.transport(0)};
  std::vector<float> data(3);
  CHECK_THROWS_AS(all.start(-1, std::span{data}), usage_error);
}

TEST_CASE("a progress thread finishes sums without the owner") {
  local::run(3, [](local::transport wire) {
    std::vector<std::vector<float>> data(4, std::vector<float>(5000));
    communicator<tree_schedule, local::transport> all{wire, {.segment_bytes = 4096, .progress_thread = true}};
    for (int iteration = 0; iteration < 20; ++iteration) {
      for (int b = 0; b < 4; ++b) {
        std::vector<float>& d = data[static_cast<std::size_t>(b)];
        std::fill(d.begin(), d.end(), static_cast<float>(b + iteration + all.rank()));
        all.start(b, std::span{d});
      }
      for (int b = 0; b < 4; ++b)
        while (!all.finished(b)) std::this_thread::yield();  // polls nothing
      double x[1] = {1};
      all.sum(x);
      if (x[0] != 3) throw usage_error("wrong sum");
      for (int b = 0; b < 4; ++b)
        for (const float y : data[static_cast<std::size_t>(b)])
          if (y != static_cast<float>(3 * (b + iteration) + 3)) throw usage_error("wrong sum");
    }
  });
}

TEST_CASE("what stops a progress thread reaches its owner") {
  local::run(2, [](local::transport wire) {
    if (wire.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));  // does not come
      return;
    }
    std::vector<float> data(10);
    communicator<tree_schedule, local::transport> all{
        wire, {.timeout = std::chrono::milliseconds(100), .progress_thread = true}};
    all.start(0, std::span{data});
    CHECK_THROWS_AS(all.wait(0), communication_error);
    CHECK_THROWS_AS(all.start(1, std::span{data}), communication_error);
  });
}
