#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "executor.hpp"
#include "schedule.hpp"
#include "transport.hpp"
#include "tree_schedule.hpp"

namespace firecaffe {

struct communicator_options {
  std::size_t segment_bytes = 256 * 1024;      // pipelined unit; the same on all ranks
  int window = 2;                              // segments under way per peer, direction and bucket
  std::chrono::milliseconds timeout{120'000};  // see executor_options
};

// Sums gradients over the ranks of a transport by the schedule of an algorithm: tree<mpi::transport> is
// communicator<tree_schedule, mpi::transport>. For one thread per rank.
//
// Buckets are small numbers (0, 1, ...), each with its own tag. All ranks start the same buckets with the same sizes,
// in any order and as many at once as they like. Data given to `start` must outlive the collective: declare it before
// the communicator, so that an exception takes down the communicator first.
// A failure leaves the communicator unusable; every call says so from then on.
template <schedule Algorithm, transport Transport>
class communicator {
 public:
  using algorithm = Algorithm;
  using transport_type = Transport;

  // From whatever the transport is made of: an MPI_Comm, a local endpoint.
  template <class Endpoint>
  requires std::constructible_from<Transport, Endpoint>
  explicit communicator(Endpoint&& endpoint, communicator_options options = {})
      : wire_(std::forward<Endpoint>(endpoint)),
        options_(options),
        executor_(wire_, {.window = options.window, .timeout = options.timeout}) {
    if (options.segment_bytes < sizeof(double)) throw usage_error("a segment must hold at least 8 bytes");
  }

  int rank() const { return wire_.rank(); }
  int size() const { return wire_.size(); }
  int node_rank() const { return wire_.node_rank(); }
  int node_size() const { return wire_.node_size(); }

  static std::string name() {
    return std::string(Algorithm::name).append("<").append(std::string_view(Transport::name)).append(">");
  }

  // Allocates what the bucket will need, so that `start` allocates nothing. Communicates nothing.
  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements) {
    if (size() > 1 && !executor_.template is_set_up<T>(bucket, elements))
      executor_.template set_up<T>(bucket, elements,
                                   list_steps<Algorithm>(rank(), size(), elements, options_.segment_bytes / sizeof(T)));
  }

  // Begins the sum of `data` over all ranks, in place. Returns at once.
  template <std::floating_point T>
  void start(int bucket, std::span<T> data) {
    if (bucket < 0) throw usage_error("bucket " + std::to_string(bucket) + ": buckets count from 0");
    if (size() == 1) return;
    prepare<T>(bucket, data.size());
    executor_.start(bucket, data);
  }

  // Moves what can be moved; true when nothing is pending.
  bool progress() {
    if (!executor_.idle()) executor_.poll();
    return executor_.idle();
  }

  bool finished(int bucket) const { return executor_.finished(bucket); }

  void wait(int bucket) {
    while (!executor_.finished(bucket))
      if (!executor_.poll()) wire_.idle();
  }

  void wait_all() {
    while (!executor_.idle())
      if (!executor_.poll()) wire_.idle();
  }

  // The sum of a few numbers over all ranks, in place, with the same bits everywhere. Every rank waits for every other.
  // It is always a tree in one segment, whatever the algorithm and the options.
  void sum(std::span<double> values) {
    constexpr int bucket = executor<Transport>::internal_bucket;
    if (size() == 1) return;
    if (!executor_.template is_set_up<double>(bucket, values.size()))
      executor_.template set_up<double>(bucket, values.size(),
                                        list_steps<tree_schedule>(rank(), size(), values.size(), values.size()));
    executor_.start(bucket, values);
    wait(bucket);
  }

  // Makes sure that all ranks are about to do the same: call it first, with a hash of whatever must agree (network,
  // solver, batch) and a text that tells a reader what was hashed. The algorithm and its options are added here.
  // When a rank differs from rank 0, every rank throws communication_error with both ranks and both texts.
  void agree(std::uint64_t hash, std::string_view description) {
    if (size() == 1) return;
    const std::string mine = std::string(description.substr(0, text_limit)) + "; " + name() + ", segments of " +
                             std::to_string(options_.segment_bytes) + " bytes";
    for (const char c : mine.substr(std::min(description.size(), text_limit)))
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;  // FNV-1a

    double first[4] = {};  // rank 0's, in pieces that a double holds exactly
    for (int i = 0; i < 4; ++i) first[i] = rank() == 0 ? static_cast<double>(hash >> (16 * i) & 0xffff) : 0.0;
    sum(first);
    std::uint64_t expected = 0;
    for (int i = 0; i < 4; ++i) expected |= static_cast<std::uint64_t>(first[i]) << (16 * i);

    std::vector<double> differs(static_cast<std::size_t>(size()));
    differs[static_cast<std::size_t>(rank())] = hash != expected;
    sum(differs);
    int other = 0;
    while (other < size() && differs[static_cast<std::size_t>(other)] == 0) ++other;
    if (other == size()) return;

    std::vector<double> texts(2 * text_space);  // rank 0's, then that of the first rank that differs
    if (rank() == 0 || rank() == other)
      for (std::size_t i = 0; i < std::min(mine.size(), text_space); ++i)
        texts[(rank() == 0 ? 0 : text_space) + i] = static_cast<unsigned char>(mine[i]);
    sum(texts);
    std::string text[2];
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (texts[i] != 0) text[i / text_space] += static_cast<char>(static_cast<unsigned char>(texts[i]));
    throw communication_error(
        rank(), rank() == other ? 0 : other,
        "ranks do not agree: rank 0 has " + text[0] + "; rank " + std::to_string(other) + " has " + text[1]);
  }

  // What `rank` sends for one bucket; exact.
  static constexpr std::uint64_t bytes_sent(int rank, int ranks, std::size_t elements, std::size_t element_bytes,
                                            std::size_t segment_bytes = communicator_options{}.segment_bytes) {
    return std::uint64_t{sent_by<Algorithm>(rank, ranks, elements, segment_bytes / element_bytes).elements} *
           element_bytes;
  }

  const communicator_options& options() const { return options_; }
  Transport& wire() { return wire_; }

 private:
  static constexpr std::size_t text_limit = 800;   // of a description
  static constexpr std::size_t text_space = 1000;  // with what `agree` adds to it

  Transport wire_;
  communicator_options options_;
  executor<Transport> executor_;  // goes before the transport does
};

}  // namespace firecaffe
