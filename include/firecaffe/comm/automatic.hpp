#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/hash.hpp"
#include "communicator.hpp"
#include "cost.hpp"
#include "direct_schedule.hpp"
#include "double_tree_schedule.hpp"
#include "halving_doubling_schedule.hpp"
#include "hierarchical_schedule.hpp"
#include "probe.hpp"
#include "recursive_doubling_schedule.hpp"
#include "ring_schedule.hpp"
#include "tree_schedule.hpp"

namespace firecaffe {

struct choice_options {
  probe_options probe{};
  // Schedules that the model finds within this factor of the cheapest are tried, and more where trials take longer than
  // the model says.
  double margin = 1.25;
  double margin_in_node = 2;  // where all ranks share a node, and caches, which are not modelled
  // About what the trials for one bucket may take: so many seconds, or so many of its sums where those are longer; 0
  // seconds: none.
  double trial_seconds = 3, trial_sums = 24;
  std::vector<std::size_t> segment_bytes{60 << 10, 256 << 10, 1 << 20, 4 << 20, SIZE_MAX};
};

// What was chosen for a bucket; SIZE_MAX: messages are not cut.
struct choice {
  std::string_view schedule;
  std::size_t segment_bytes = 0;
  double predicted = 0;  // s, by the model; 0 where nothing was chosen by it
  double measured = 0;   // s, in a trial; 0 where there was none
};

// A communicator that picks for every bucket the schedule and the length of segments. When made, it measures the
// machine for a moment (see probe). `prepare` prices each schedule with each segment (see event_model), tries those
// that come close on a buffer of zeros, and keeps the fastest, the same on all ranks; a bucket whose size is within a
// fifth of an earlier one's follows that.
//
// Construction and `prepare` are collective: all ranks prepare the same buckets in the same order, or get a
// communication_error. A bucket that is started without having been prepared is summed by the first schedule of the
// list in segments as the options have them. Which order of summation a bucket gets is not known beforehand, and may
// differ between runs; it is the same on all ranks and for the life of the communicator.
template <class Communicator, schedule... Schedules>
class choosing_communicator {
  static_assert(!Communicator::reaches_device_memory, "what is tried lies in the host's memory: name an algorithm");

 public:
  using transport_type = typename Communicator::transport_type;
  using codec_type = typename Communicator::codec_type;

  template <class Endpoint>
  requires std::constructible_from<Communicator, Endpoint, communicator_options> choosing_communicator(
      Endpoint&& endpoint, communicator_options options, choice_options choices)
      : all_(std::forward<Endpoint>(endpoint), options), choices_(std::move(choices)) {
    if (choices_.segment_bytes.empty()) throw usage_error("automatic: there is no segment size to choose from");
    probe<Communicator> here(all_, choices_.probe);
    machine_ = here.measure();
  }

  template <class Endpoint>
  requires std::constructible_from<Communicator, Endpoint, communicator_options>
  explicit choosing_communicator(Endpoint&& endpoint, communicator_options options = {})
      : choosing_communicator(std::forward<Endpoint>(endpoint), options, choice_options{}) {}

  int rank() const { return all_.rank(); }
  int size() const { return all_.size(); }
  int node_rank() const { return all_.node_rank(); }
  int node_size() const { return all_.node_size(); }

  static std::string name() {
    std::string text = "automatic<";
    ((text += std::string(std::string_view(Schedules::name)) + ", "), ...);
    text.append(std::string_view(transport_type::name));
    if (codec_type::lossy) text.append(", ").append(std::string_view(codec_type::name));
    return text.append(">");
  }

  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements, bool exact = false) {
    if (size() == 1) return;
    if (const settled* s = find(bucket, elements, sizeof(T)); s != nullptr && s->exact == exact) return;
    const std::string text = "bucket " + std::to_string(bucket) + " of " + std::to_string(elements) + " elements of " +
                             std::to_string(sizeof(T)) + " bytes";
    all_.agree(hash_of(text), text);
    settled s{bucket, elements * sizeof(T), exact, candidate{}};
    const auto similar = std::find_if(settled_.begin(), settled_.end(), [&](const settled& other) {
      return other.exact == exact && other.how.element_bytes == sizeof(T) && other.bytes <= s.bytes + s.bytes / 5 &&
             s.bytes <= other.bytes + other.bytes / 5;
    });
    s.how = similar != settled_.end() ? similar->how : choose<T>(bucket, elements, exact);
    std::erase_if(settled_, [&](const settled& other) { return other.bucket == bucket; });
    settled_.push_back(s);
    lay_out<T>(bucket, elements, s.how, exact);
  }

  // Begins the sum of `data` over all ranks, in place. Returns at once.
  template <std::floating_point T>
  void start(int bucket, std::span<T> data) {
    if (size() > 1 && find(bucket, data.size(), sizeof(T)) == nullptr) {
      const candidate first{0, sizeof(T), all_.options().segment_bytes, 0, 0};
      std::erase_if(settled_, [&](const settled& other) { return other.bucket == bucket; });
      settled_.push_back({bucket, data.size_bytes(), false, first});
      lay_out<T>(bucket, data.size(), first, false);
    }
    all_.start(bucket, data);
  }

  bool progress() { return all_.progress(); }
  bool finished(int bucket) const { return all_.finished(bucket); }
  void wait(int bucket) { all_.wait(bucket); }
  void wait_all() { all_.wait_all(); }
  void sum(std::span<double> values) { all_.sum(values); }
  void agree(std::uint64_t hash, std::string_view description) {
    all_.agree(hash, std::string(description) + "; " + name());
  }

  // The most that `rank` sends under any of the schedules.
  static constexpr std::uint64_t bytes_sent(int rank, int ranks, std::size_t elements, std::size_t element_bytes) {
    return std::max({(std::uint64_t{sent_by<Schedules>(rank, ranks, elements, elements).elements} * element_bytes)...});
  }

  // How a bucket that was prepared or started is summed. Throws usage_error for any other.
  choice chosen(int bucket) const {
    for (const settled& s : settled_)
      if (s.bucket == bucket) return {names[s.how.schedule], s.how.segment_bytes, s.how.predicted, s.how.measured};
    throw usage_error("bucket " + std::to_string(bucket) + " has not been prepared");
  }

  const machine& measured() const { return machine_; }
  const node_map& nodes() const { return all_.nodes(); }
  const communicator_options& options() const { return all_.options(); }

  template <class T>
  T* allocate(std::size_t elements) requires requires(Communicator& c) {
    c.template allocate<T>(elements);
  }
  { return all_.template allocate<T>(elements); }
  void record_into(timeline* log) { all_.record_into(log); }

 private:
  static constexpr std::array<std::string_view, sizeof...(Schedules)> names{Schedules::name...};

  struct candidate {
    std::size_t schedule = 0, element_bytes = 0, segment_bytes = 0;
    double predicted = 0, measured = 0;
  };
  struct settled {
    int bucket;
    std::size_t bytes;
    bool exact;
    candidate how;
  };

  const settled* find(int bucket, std::size_t elements, std::size_t element_bytes) const {
    for (const settled& s : settled_)
      if (s.bucket == bucket && s.bytes == elements * element_bytes && s.how.element_bytes == element_bytes) return &s;
    return nullptr;
  }

  static constexpr std::size_t block = 64;  // elements that a codec scales together

  // In elements; whole blocks, where there are as many.
  static std::size_t segment_of(std::size_t bytes, std::size_t element_bytes) {
    const std::size_t elements = std::max<std::size_t>(bytes / element_bytes, 1);
    return elements < block ? elements : elements / block * block;
  }

  template <class T>
  void lay_out(int bucket, std::size_t elements, const candidate& how, bool exact) {
    std::vector<step> steps;
    const auto list = [&]<class Schedule>(std::size_t index) {
      if (index == how.schedule)
        steps = list_steps<Schedule>(rank(), nodes(), elements, segment_of(how.segment_bytes, sizeof(T)));
    };
    std::size_t index = 0;
    (list.template operator()<Schedules>(index++), ...);
    all_.template prepare<T>(bucket, elements, std::move(steps), exact);
  }

  // Each schedule with each segment length that cuts it differently, cheapest first. Rank 0 alone prices, so that the
  // ranks need not compute alike.
  std::vector<candidate> price_all(std::size_t elements, std::size_t element_bytes, bool exact) {
    std::vector<candidate> found;
    const std::size_t coded = exact ? raw::bytes(block, element_bytes) : codec_type::bytes(block, element_bytes);
    const double bytes_on_the_way = static_cast<double>(coded) / block;
    std::size_t index = 0;
    const bool one_level = nodes().nodes() == 1 || nodes().nodes() == size();
    const auto add = [&]<class Schedule>() {
      if (!flat_schedule<Schedule> && one_level) return void(++index);  // it would be one of the others
      std::size_t messages = SIZE_MAX;
      for (const std::size_t bytes : choices_.segment_bytes) {
        const std::size_t segment = segment_of(bytes, element_bytes);
        const std::size_t now = sent_by<Schedule>(0, nodes(), elements, segment).messages;
        if (now == messages) continue;
        messages = now;
        const double seconds =
            price<Schedule>(machine_, nodes(), elements, bytes_on_the_way, segment, options().window);
        found.push_back({index, element_bytes, bytes, seconds, 0});
      }
      ++index;
    };
    (add.template operator()<Schedules>(), ...);
    std::stable_sort(found.begin(), found.end(),
                     [](const candidate& a, const candidate& b) { return a.predicted < b.predicted; });
    return found;
  }

  // The same on every rank, by the word of rank 0.
  std::vector<candidate> agreed_prices(std::size_t elements, std::size_t element_bytes, bool exact) {
    const std::size_t segments = choices_.segment_bytes.size(), most = sizeof...(Schedules) * segments;
    std::vector<double> told(1 + 2 * most);
    if (rank() == 0) {
      const std::vector<candidate> found = price_all(elements, element_bytes, exact);
      told[0] = static_cast<double>(found.size());
      for (std::size_t k = 0; k < found.size(); ++k) {
        const auto place =
            std::find(choices_.segment_bytes.begin(), choices_.segment_bytes.end(), found[k].segment_bytes);
        const auto segment = static_cast<std::size_t>(place - choices_.segment_bytes.begin());
        told[1 + 2 * k] = static_cast<double>(found[k].schedule * segments + segment);
        told[2 + 2 * k] = found[k].predicted;
      }
    }
    all_.sum(told);
    std::vector<candidate> result(static_cast<std::size_t>(told[0]));
    for (std::size_t k = 0; k < result.size(); ++k) {
      const auto which = static_cast<std::size_t>(told[1 + 2 * k]);
      result[k] = {which / segments, element_bytes, choices_.segment_bytes[which % segments], told[2 + 2 * k], 0};
    }
    return result;
  }

  // The cheapest by the model, unless a trial finds a better one: first among the schedules, each with its best
  // segments, then among the segments of the one that won. What the model, which knows of no noise, finds slower than
  // the best trial is not tried, nor what would take too long.
  template <class T>
  candidate choose(int bucket, std::size_t elements, bool exact) {
    std::vector<candidate> list = agreed_prices(elements, sizeof(T), exact);
    if (elements == 0 || choices_.trial_seconds <= 0) return list[0];
    const double margin = nodes().nodes() == 1 ? choices_.margin_in_node : choices_.margin;
    T* const scratch = memory_.template get<T>(elements);
    candidate best{};
    const double limit = std::max(choices_.trial_seconds, choices_.trial_sums * list[0].predicted);
    double spent = 0;
    const auto attempt = [&](candidate& c) {
      const bool any = best.measured > 0;
      if (c.measured > 0 || (any && c.predicted > std::max(margin * list[0].predicted, best.measured))) return;
      if (spent + 2 * c.predicted > limit) return;
      lay_out<T>(bucket, elements, c, exact);
      c.measured = time(bucket, std::span<T>{scratch, elements}, spent);
      if (!any || c.measured < best.measured) best = c;
    };
    std::array<bool, sizeof...(Schedules)> seen{};
    for (candidate& c : list)
      if (!std::exchange(seen[c.schedule], true)) attempt(c);
    const std::size_t winner = best.schedule;
    for (candidate& c : list)
      if (c.schedule == winner && best.measured > 0) attempt(c);
    return best.measured > 0 ? best : list[0];
  }

  // Seconds of the slowest rank: the second of two runs, or the median of some where runs are short.
  template <class T>
  double time(int bucket, std::span<T> scratch, double& spent) {
    std::vector<double> runs;
    for (double total = 0; runs.size() < 4 || (total < 0.1 && runs.size() < 15);) {
      double together[1] = {};
      all_.sum(together);
      const auto start = std::chrono::steady_clock::now();
      all_.start(bucket, scratch);
      all_.wait(bucket);
      const std::chrono::duration<double> mine = std::chrono::steady_clock::now() - start;
      std::vector<double> all(static_cast<std::size_t>(size()));
      all[static_cast<std::size_t>(rank())] = mine.count();
      all_.sum(all);
      runs.push_back(*std::max_element(all.begin(), all.end()));
      total += runs.back();
      spent += runs.back();
      if (total > 0.25 && runs.size() > 1) break;
    }
    runs.erase(runs.begin());  // it found cold memory
    std::sort(runs.begin(), runs.end());
    return runs[runs.size() / 2];
  }

  Communicator all_;
  choice_options choices_;
  machine machine_;
  trial_memory<Communicator> memory_{all_};
  std::vector<settled> settled_;
};

// Gradients summed by whichever schedule is fastest here: automatic<mpi::transport>; see choosing_communicator. What
// follows the transport goes to the communicator: a codec, ...
template <transport Transport, class... Policies>
using automatic = choosing_communicator<communicator<tree_schedule, Transport, Policies...>, halving_doubling_schedule,
                                        ring_schedule, tree_schedule, double_tree_schedule, recursive_doubling_schedule,
                                        direct_schedule, hierarchical_schedule<direct_schedule, ring_schedule>,
                                        hierarchical_schedule<direct_schedule, halving_doubling_schedule>>;

// The same among schedules of one's own choice.
template <transport Transport, schedule... Schedules>
using automatic_among = choosing_communicator<communicator<tree_schedule, Transport>, Schedules...>;

}  // namespace firecaffe
