#pragma once

#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "../core/error.hpp"
#include "agreement.hpp"
#include "contract.hpp"
#include "mpi_duplicate.hpp"
#include "stall_clock.hpp"

namespace firecaffe {

struct mpi_allreduce_options {
  // How long a rank waits without any bucket being finished before it gives up. Blocking sums wait for ever: MPI has no
  // way out of them.
  std::chrono::milliseconds timeout{120'000};
};

// Sums gradients by what the MPI library has, to be measured against: MPI_Iallreduce for every bucket, in place, on a
// duplicate of the user's communicator, moved on by MPI_Test (mpi_allreduce), or MPI_Allreduce within `start`
// (blocking_mpi_allreduce). The algorithm, the messages and the order of summation are the MPI library's choice: the
// standard does not even promise the same bits on all ranks or in the next run.
//
// Unlike the library's own communicators, all ranks must start the same buckets IN THE SAME ORDER, calls of `sum` and
// `agree` included: MPI matches collectives by nothing else, so that another order adds up the wrong buckets or hangs.
// Data given to `start` must outlive the collective; MPI cannot cancel one, so after a failure the data has to live on.
// A failure leaves the communicator unusable; every call says so from then on. Construction and destruction are
// collective as for mpi::messages, and calls come from the thread that may call MPI.
template <bool Blocking>
class basic_mpi_allreduce {
 public:
  // MPI counts in int: buckets of more than `whole` elements are summed in several pieces.
  explicit basic_mpi_allreduce(MPI_Comm parent, mpi_allreduce_options options = {}, std::size_t whole = INT_MAX)
      : own_(parent, "mpi_allreduce"), options_(options), whole_(whole) {
    if (whole < 1 || whole > INT_MAX) throw usage_error("a piece of mpi_allreduce holds 1 to INT_MAX elements");
  }

  ~basic_mpi_allreduce() {
    if (!pending_.empty()) own_.keep();
  }

  int rank() const { return own_.rank(); }
  int size() const { return own_.size(); }
  int node_rank() const { return own_.node_rank(); }
  int node_size() const { return own_.node_size(); }
  static std::string name() { return Blocking ? "blocking_mpi_allreduce" : "mpi_allreduce"; }

  // Nothing to lay out but the list of what is under way: MPI allocates as it likes.
  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements, bool /*exact*/ = false) {
    check_bucket(bucket);
    counts_.resize(std::max(counts_.size(), static_cast<std::size_t>(bucket) + 1));
    pending_.reserve(counts_.size() * (elements / whole_ + 1));
  }

  // Begins the sum of `data` over all ranks, in place. Returns at once, or when summed if Blocking.
  template <std::floating_point T>
  void start(int bucket, std::span<T> data) {
    check_bucket(bucket);
    if (failed_) throw communication_error(rank(), -1, "this communicator failed earlier");
    if (!finished(bucket)) throw usage_error("bucket " + std::to_string(bucket) + " was started while under way");
    if (size() == 1) return;
    if (pending_.empty()) stall_.restart(clock::now());
    counts_.resize(std::max(counts_.size(), static_cast<std::size_t>(bucket) + 1));
    for (std::size_t first = 0; first < data.size(); first += whole_) {
      T* const from = data.data() + first;
      const int count = static_cast<int>(std::min(whole_, data.size() - first));
      if constexpr (Blocking) {
        check(MPI_Allreduce(MPI_IN_PLACE, from, count, type<T>(), MPI_SUM, own_.all()), "MPI_Allreduce");
      } else {
        part p{bucket, MPI_REQUEST_NULL};
        check(MPI_Iallreduce(MPI_IN_PLACE, from, count, type<T>(), MPI_SUM, own_.all(), &p.request), "MPI_Iallreduce");
        pending_.push_back(p);
        ++counts_[static_cast<std::size_t>(bucket)];
      }
    }
  }

  // Moves what can be moved; true when nothing is pending.
  bool progress() {
    poll();
    return pending_.empty();
  }

  bool finished(int bucket) const {
    const auto slot = static_cast<std::size_t>(bucket);
    return slot >= counts_.size() || counts_[slot] == 0;
  }

  void wait(int bucket) {
    while (!finished(bucket))
      if (!poll()) std::this_thread::yield();
  }

  void wait_all() {
    while (!pending_.empty())
      if (!poll()) std::this_thread::yield();
  }

  // The sum of a few numbers over all ranks, in place: MPI_Allreduce. Every rank waits for every other.
  void sum(std::span<double> values) {
    if (failed_) throw communication_error(rank(), -1, "this communicator failed earlier");
    if (size() == 1) return;
    check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM, own_.all()),
          "MPI_Allreduce");
  }

  // As communicator::agree.
  void agree(std::uint64_t hash, std::string_view description) {
    agree_on(rank(), size(), hash, description, name(), [this](std::span<double> values) { sum(values); });
  }

  // The least that a rank must send on average. What MPI sends cannot be known: this is a lower bound, not a count.
  static constexpr std::uint64_t bytes_sent(int /*rank*/, int ranks, std::size_t elements, std::size_t element_bytes) {
    return least_bytes_sent(ranks, elements, element_bytes);
  }

 private:
  using clock = std::chrono::steady_clock;
  struct part {
    int bucket;
    MPI_Request request;
  };

  template <class T>
  static MPI_Datatype type() {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "MPI sums float and double");
    return std::is_same_v<T, float> ? MPI_FLOAT : MPI_DOUBLE;
  }

  // What is under way cannot be cancelled.
  void fail() {
    failed_ = true;
    own_.keep();
  }

  static void check_bucket(int bucket) {
    if (bucket < 0) throw usage_error("bucket " + std::to_string(bucket) + ": buckets count from 0");
  }

  void check(int code, const char* call) {
    if (code != MPI_SUCCESS) fail();
    mpi::check(code, call, rank());
  }

  // Tests every request, as any may be the one to move; true if one was complete.
  bool poll() {
    if (failed_) throw communication_error(rank(), -1, "this communicator failed earlier");
    bool any = false;
    for (std::size_t k = 0; k < pending_.size();) {
      int complete = 0;
      check(MPI_Test(&pending_[k].request, &complete, MPI_STATUS_IGNORE), "MPI_Iallreduce");
      if (!complete) {
        ++k;
        continue;
      }
      any = true;
      --counts_[static_cast<std::size_t>(pending_[k].bucket)];
      pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(k));
    }
    watch(any);
    return any;
  }

  void watch(bool moved) {
    if (pending_.empty()) return;
    if (moved) return stall_.restart(clock::now());
    if (!stall_.stuck(clock::now(), options_.timeout)) return;
    fail();
    throw communication_error(
        rank(), -1, waited_for(options_.timeout) + "MPI_Iallreduce, bucket " + std::to_string(pending_.front().bucket));
  }

  mpi::duplicate own_;
  mpi_allreduce_options options_;
  std::size_t whole_;
  std::vector<part> pending_;  // in order of start
  std::vector<int> counts_;    // of each bucket's parts under way
  stall_clock<clock::time_point> stall_;
  bool failed_ = false;
};

using mpi_allreduce = basic_mpi_allreduce<false>;
using blocking_mpi_allreduce = basic_mpi_allreduce<true>;

}  // namespace firecaffe
