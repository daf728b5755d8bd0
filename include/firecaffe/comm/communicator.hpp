#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "agreement.hpp"
#include "codec.hpp"
#include "executor.hpp"
#include "progress_thread.hpp"
#include "schedule.hpp"
#include "transport.hpp"
#include "tree_schedule.hpp"

namespace firecaffe {

struct communicator_options {
  // The pipelined unit, of data; the same on all ranks. Open MPI sends messages of 64 KiB and more over TCP by
  // rendezvous, whose answers queue behind the data of the other direction: at 1 Gbit/s that halves the speed.
  std::size_t segment_bytes = 60 * 1024;
  int window = 8;                              // segments under way per peer, direction and bucket
  std::chrono::milliseconds timeout{120'000};  // see executor_options
  // Moves messages on by a thread of their own, also while the owner computes; without it they move when the owner
  // calls. Costs a core. Over MPI it takes MPI_THREAD_MULTIPLE.
  bool progress_thread = false;
};

// Sums gradients over the ranks of a transport by the schedule of an algorithm: tree<mpi::transport> is
// communicator<tree_schedule, mpi::transport>. For one thread per rank.
//
// Buckets are small numbers (0, 1, ...), each with its own tag. All ranks start the same buckets with the same sizes,
// in any order and as many at once as they like. Data given to `start` must outlive the collective: declare it before
// the communicator, so that an exception takes down the communicator first.
// A failure leaves the communicator unusable; every call says so from then on.
//
// Messages are coded by `Codec`; Clock and Memory are the executor's: the latter is where the transport's data lies,
// and both are others on simulated machines. Over a transport that reaches a device's memory, `start` is given what
// lies there, but for numbers of double, which are the host's.
template <schedule Algorithm, transport Transport, codec Codec = raw, class Clock = std::chrono::steady_clock,
          class Memory = memory_of<Transport>>
class communicator {
 public:
  using algorithm = Algorithm;
  using transport_type = Transport;
  using codec_type = Codec;
  static constexpr bool reaches_device_memory = Transport::reaches_device_memory;

  // From whatever the transport is made of: an MPI_Comm, a local endpoint.
  template <class Endpoint>
  requires std::constructible_from<Transport, Endpoint>
  explicit communicator(Endpoint&& endpoint, communicator_options options = usual_options(), Clock clock = {},
                        std::optional<Memory> memory = {})
      : wire_(std::forward<Endpoint>(endpoint)),
        options_(options),
        nodes_(nodes_of(wire_)),
        executor_(wire_, {.window = options.window, .timeout = options.timeout}, clock,
                  memory ? std::move(*memory) : memory_at(wire_)) {
    if (options.segment_bytes < sizeof(double)) throw usage_error("a segment must hold at least 8 bytes");
    if (!options.progress_thread || size() == 1) return;
    if (reaches_device_memory) throw usage_error("a progress thread does not move what lies in a device's memory");
    if constexpr (requires { wire_.allow_threads(); }) wire_.allow_threads();
    thread_ = std::make_unique<firecaffe::progress_thread>([this] { return poll_all(); });
  }

  int rank() const { return wire_.rank(); }
  int size() const { return wire_.size(); }
  int node_rank() const { return wire_.node_rank(); }
  int node_size() const { return wire_.node_size(); }

  const node_map& nodes() const { return nodes_; }  // which ranks share a node

  static std::string name() {
    std::string text = std::string(Algorithm::name).append("<").append(std::string_view(Transport::name));
    if (Codec::lossy) text.append(", ").append(std::string_view(Codec::name));
    return text.append(">");
  }

  // Memory for data to be summed that other ranks read in place, where the transport has such; it lives as long as the
  // communicator. Collective. Not initialised.
  template <class T>
  T* allocate(std::size_t elements) requires requires(Transport& t) {
    t.allocate(elements);
  }
  { return reinterpret_cast<T*>(wire_.allocate(elements * sizeof(T))); }

  // Allocates what the bucket will need, so that `start` allocates nothing. An exact bucket is not coded, whatever the
  // codec. Communicates nothing.
  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements, bool exact = false) {
    const auto held = hold();
    if (size() == 1) return;
    if (executor_.template is_set_up<T>(bucket, elements) && executor_.is_coded(bucket) == (Codec::lossy && !exact))
      return;
    executor_.template set_up<T>(bucket, elements, own_steps<T>(elements), exact);
  }

  // The same by steps of the caller's choice: this rank's part of a schedule for `elements` elements, in place of what
  // was prepared for the bucket before. The bucket must not be under way.
  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements, std::vector<step> steps, bool exact = false) {
    const auto held = hold();
    if (size() > 1) executor_.template set_up<T>(bucket, elements, std::move(steps), exact);
  }

  // Begins the sum of `data` over all ranks, in place. Returns at once.
  template <std::floating_point T>
  void start(int bucket, std::span<T> data) {
    if (bucket < 0) throw usage_error("bucket " + std::to_string(bucket) + ": buckets count from 0");
    if (size() == 1) return;
    if (!is_prepared<T>(bucket, data.size())) prepare<T>(bucket, data.size());
    begin(bucket, data);
  }

  // Moves what can be moved; true when nothing is pending.
  bool progress() {
    const auto held = hold();
    return !poll_all();
  }

  bool finished(int bucket) const {
    const auto held = hold();
    return executor_.finished(bucket);
  }

  void wait(int bucket) {
    while (!finished(bucket)) move_or_idle();
  }

  void wait_all() {
    while (!progress()) wire_.idle();
  }

  // The sum of a few numbers over all ranks, in place, with the same bits everywhere. Every rank waits for every other.
  // It is always a tree in one segment, whatever the algorithm and the options.
  void sum(std::span<double> values) {
    constexpr int bucket = executor_type::internal_bucket;
    if (size() == 1) return;
    {
      const auto held = hold();
      if (!executor_.template is_set_up<double>(bucket, values.size()))
        executor_.template set_up<double>(
            bucket, values.size(), list_steps<tree_schedule>(rank(), size(), values.size(), values.size()), true);
    }
    begin(bucket, values);
    wait(bucket);
  }

  // Makes sure that all ranks are about to do the same: call it first, with a hash of whatever must agree (network,
  // solver, batch) and a text that tells a reader what was hashed. The algorithm and its options are added here.
  // When a rank differs from rank 0, every rank throws communication_error with both ranks and both texts.
  void agree(std::uint64_t hash, std::string_view description) {
    agree_on(rank(), size(), hash, description,
             name() + ", segments of " + std::to_string(options_.segment_bytes) + " bytes",
             [this](std::span<double> values) { sum(values); });
  }

  // What `rank` sends for one bucket that is coded; exact. `ranks` is their number, or the node_map where the algorithm
  // looks at it.
  template <rank_count Ranks>
  static constexpr std::uint64_t bytes_sent(int rank, const Ranks& ranks, std::size_t elements,
                                            std::size_t element_bytes,
                                            std::size_t segment_bytes = communicator_options{}.segment_bytes) {
    std::uint64_t sent = 0;
    emit_steps<Algorithm>(rank, ranks, elements, segment_elements(segment_bytes, element_bytes), [&](const step& s) {
      if (s.kind == step_kind::send && s.first != s.last) sent += Codec::bytes(s.last - s.first, element_bytes);
    });
    return sent;
  }

  // Where the messages of this rank are recorded from now on; nullptr: nowhere. Not to be shared with what the owner
  // records while there is a progress thread.
  void record_into(timeline* log) {
    const auto held = hold();
    executor_.record_into(log);
  }

  const communicator_options& options() const { return options_; }
  Transport& wire() { return wire_; }

 private:
  using executor_type = executor<Transport, Codec, Clock, Memory>;

  std::unique_lock<std::mutex> hold() const { return thread_ ? thread_->hold() : std::unique_lock<std::mutex>{}; }

  template <class T>
  bool is_prepared(int bucket, std::size_t elements) const {
    const auto held = hold();
    return executor_.template is_set_up<T>(bucket, elements);
  }

  template <class T>
  void begin(int bucket, std::span<T> data) {
    const auto held = hold();
    executor_.start(bucket, data);
    if (thread_) thread_->wake();
  }

  // True while something is under way.
  bool poll_all() {
    if (!executor_.idle()) executor_.poll();
    return !executor_.idle();
  }

  void move_or_idle() {
    {
      const auto held = hold();
      if (executor_.idle() || executor_.poll()) return;
    }
    wire_.idle();
  }

  template <class T>
  std::vector<step> own_steps(std::size_t elements) const {
    return list_steps<Algorithm>(rank(), nodes_, elements, segment_elements(options_.segment_bytes, sizeof(T)));
  }

  static communicator_options usual_options() {
    communicator_options o;
    if constexpr (requires { Transport::segment_bytes; }) o.segment_bytes = Transport::segment_bytes;
    return o;
  }

  static node_map nodes_of(const Transport& wire) {
    if constexpr (requires { wire.nodes(); })
      return wire.nodes();
    else
      return node_map(wire.size());
  }

  static Memory memory_at(const Transport& wire) {
    if constexpr (requires {
                    { wire.memory() } -> std::same_as<Memory>;
                  })
      return wire.memory();
    else
      return Memory{};
  }

  // Whole blocks of 64 elements where the segment has as many: what a codec scales together is not cut.
  static constexpr std::size_t segment_elements(std::size_t segment_bytes, std::size_t element_bytes) {
    const std::size_t elements = segment_bytes / element_bytes;
    return elements < 64 ? elements : elements / 64 * 64;
  }

  Transport wire_;
  communicator_options options_;
  node_map nodes_;
  executor_type executor_;                              // goes before the transport does
  std::unique_ptr<firecaffe::progress_thread> thread_;  // and this before both
};

}  // namespace firecaffe
