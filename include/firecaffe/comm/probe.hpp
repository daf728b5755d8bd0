#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "element_verbs.hpp"
#include "event_model.hpp"
#include "node_map.hpp"
#include "schedule.hpp"

namespace firecaffe {

struct probe_options {
  double seconds = 0.02;                                          // about what each figure may take to measure
  std::array<std::size_t, 2> message_bytes{64 << 10, 512 << 10};  // of the messages that bandwidth is measured with
  std::size_t stream_bytes = 2 << 20;                             // of all of them together
};

// Zeros to try a communicator with, in its own memory where it has such. `get` is then collective.
template <class Communicator>
class trial_memory {
 public:
  explicit trial_memory(Communicator& all) : all_(all) {}

  template <class T = float>
  T* get(std::size_t elements) {
    const std::size_t bytes = elements * sizeof(T);
    if (bytes > size_) {
      if constexpr (requires { all_.template allocate<T>(elements); })
        data_ = reinterpret_cast<std::byte*>(all_.template allocate<T>(elements));
      else
        own_.resize(bytes / sizeof(double) + 1), data_ = reinterpret_cast<std::byte*>(own_.data());
      size_ = bytes;
    }
    std::fill_n(data_, bytes, std::byte{});
    return reinterpret_cast<T*>(data_);
  }

 private:
  Communicator& all_;
  std::vector<double> own_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Measures the links and the adding of ranks by schedules of their own, run by the communicator's executor over its
// transport, on all ranks at once: latency by messages to and fro, bandwidth by both directions at a time, CPU per
// message by many small ones at a time. `Communicator` takes steps in `prepare`; its buckets 0 to 7 are used and left
// empty. Constructed and used on all ranks together.
template <class Communicator>
class probe {
 public:
  explicit probe(Communicator& all, probe_options options = {}) : all_(all), options_(std::move(options)) {}

  // The machine as all ranks find it: the median over ranks of every figure, the same on all of them; flop/s are left
  // alone. Collective.
  machine measure() {
    machine found;
    found.add_rate = add_rate();
    if (all_.size() == 1) return found;
    const int node = all_.nodes().node_of(all_.rank()), place = all_.nodes().local_rank(all_.rank());
    const int half = (all_.nodes().nodes() + 1) / 2, other = node < half ? node + half : node - half;
    const int near = member(node, place ^ 1), far = all_.nodes().nodes() == 1 ? near : member(other, place);
    found.message_seconds = crowd(far);
    found.memory = all_.nodes().nodes() == all_.size() ? found.memory : link_to(near, found.message_seconds, 1);
    // The ranks of a node share its port.
    found.network =
        all_.nodes().nodes() == 1 ? found.memory : link_to(far, found.message_seconds, all_.nodes().node_size(node));
    for (int b = 0; b < crowd_buckets; ++b) all_.template prepare<float>(b, 0, std::vector<step>{});
    return found;
  }

  // The median over ranks, the same on all of them.
  double median(double mine) {
    std::vector<double> values = gather(mine);
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  double most(double mine) {
    const std::vector<double> values = gather(mine);
    return *std::max_element(values.begin(), values.end());
  }

 private:
  static constexpr int crowd_buckets = 8;
  static constexpr std::size_t small = 16;  // elements

  std::vector<double> gather(double mine) {
    std::vector<double> values(static_cast<std::size_t>(all_.size()));
    values[static_cast<std::size_t>(all_.rank())] = mine;
    all_.sum(values);
    return values;
  }

  int member(int node, int place) const {
    return node < all_.nodes().nodes() && place < all_.nodes().node_size(node)
               ? all_.nodes().members(node)[static_cast<std::size_t>(place)]
               : -1;
  }

  // Seconds that `body` takes here, begun together.
  template <class Body>
  static double seconds(Body&& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // The schedule runs twice, so that connections are made, and then for about the time given. Of a rank's times the
  // least counts, because noise only adds; of the ranks' the median, without those that have no partner.
  double repeat(int buckets, std::size_t each, bool takes_part) {
    float* const data = memory_.get(static_cast<std::size_t>(buckets) * each);
    const auto once = [&] {
      double nothing[1] = {};
      all_.sum(nothing);
      return seconds([&] {
        for (int b = 0; b < buckets; ++b) all_.start(b, std::span{data + static_cast<std::size_t>(b) * each, each});
        all_.wait_all();
      });
    };
    once();
    std::vector<double> times{most(once())};
    const int count = std::clamp(static_cast<int>(options_.seconds / times[0]), 3, 20);
    times.clear();
    for (int i = 0; i < count; ++i) times.push_back(once());
    std::vector<double> all = gather(takes_part ? *std::min_element(times.begin(), times.end()) : 0);
    std::erase(all, 0.0);
    std::sort(all.begin(), all.end());
    return all.empty() ? 0 : all[all.size() / 2];
  }

  // CPU seconds per message: eight buckets send and receive 16 small messages each.
  double crowd(int peer) {
    constexpr std::size_t count = 16;
    std::vector<step> steps;
    for (std::size_t i = 0; i < count && peer >= 0; ++i) {
      steps.push_back({step_kind::send, peer, i * small, (i + 1) * small});
      steps.push_back({step_kind::receive, peer, (count + i) * small, (count + i + 1) * small});
    }
    for (int b = 0; b < crowd_buckets; ++b) all_.template prepare<float>(b, 2 * count * small, steps);
    return repeat(crowd_buckets, 2 * count * small, peer >= 0) / (2 * count * crowd_buckets);
  }

  link link_to(int peer, double message_seconds, int sharing) {
    constexpr std::size_t rounds = 8;
    const bool first = all_.rank() < peer;
    std::vector<step> steps;
    for (std::size_t i = 0; i < 2 * rounds && peer >= 0; ++i)
      steps.push_back({(i % 2 == 0) == first ? step_kind::send : step_kind::receive, peer, 0, small});
    all_.template prepare<float>(0, small, std::move(steps));
    const double message = repeat(1, small, peer >= 0) / (2 * rounds);

    // Some transports carry long messages better, some short ones.
    double best = 0;
    for (const std::size_t each : options_.message_bytes) {
      const std::size_t length = std::max<std::size_t>(each / sizeof(float), 1);
      const std::size_t messages = std::max<std::size_t>(options_.stream_bytes / sizeof(float) / length, 1);
      steps = {};
      for (std::size_t i = 0; i < messages && peer >= 0; ++i) {
        steps.push_back({step_kind::send, peer, i * length, (i + 1) * length});
        steps.push_back({step_kind::receive, peer, (messages + i) * length, (messages + i + 1) * length});
      }
      all_.template prepare<float>(0, 2 * messages * length, std::move(steps));
      const double stream = repeat(1, 2 * messages * length, peer >= 0);
      const auto bytes = static_cast<double>(messages * length * sizeof(float)) * sharing;
      best = std::max(best, bytes / std::max(stream - message, stream / 8));
    }
    return {std::max(message - 2 * message_seconds, message / 8), best};
  }

  double add_rate() {
    constexpr std::size_t count = std::size_t{1} << 20;
    std::vector<float> into(count), from(count, 1.0f);
    std::vector<double> times;
    double total = 0;
    while (times.size() < 3 || (total < options_.seconds / 2 && times.size() < 50)) {
      times.push_back(seconds([&] { host_memory::add(into.data(), from.data(), count); }));
      total += times.back();
    }
    std::sort(times.begin(), times.end());
    return 1 / median(times[times.size() / 2] / static_cast<double>(count * sizeof(float)));
  }

  Communicator& all_;
  probe_options options_;
  trial_memory<Communicator> memory_{all_};
};

}  // namespace firecaffe
