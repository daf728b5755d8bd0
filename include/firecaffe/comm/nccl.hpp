#pragma once

#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/timeline.hpp"
#include "../cuda/streams.hpp"
#include "communicator.hpp"
#include "contract.hpp"
#include "stall_clock.hpp"
#include "tree_schedule.hpp"

namespace firecaffe {

struct nccl_options {
  // How long a rank waits without anything being finished before it gives up, for NCCL as for the transport.
  std::chrono::milliseconds timeout{120'000};
};

// Sums gradients in the memory of NVIDIA devices by NCCL's ncclAllReduce, in place, on a stream of its own. The ranks
// meet over a Transport of the host, such as mpi::transport or local::transport, which also carries numbers of double
// (losses), as a tree. Every rank needs a device of its own, the one that cuda::for_rank takes.
//
// The algorithm and the order of summation are NCCL's choice; the same bits on all ranks. All ranks must start the same
// buckets of float IN THE SAME ORDER. A failure, a rank that is waited for longer than the timeout included, aborts
// NCCL's communicator and leaves this one unusable. Construction is collective.
// One process for each rank: in a process that has several devices, calls of CUDA for one of them may wait for kernels
// of another, which wait for this rank's. Not to be used where the same process has MPI work on the memory of devices
// at the same time: the two may wait for each other.
template <transport Transport>
class nccl {
  static_assert(!Transport::reaches_device_memory, "NCCL's ranks meet over a transport of the host's memory");

 public:
  static constexpr bool reaches_device_memory = true;
  using transport_type = Transport;

  template <class Endpoint>
  requires std::constructible_from<Transport, Endpoint>
  explicit nccl(Endpoint&& endpoint, nccl_options options = {})
      : host_(std::forward<Endpoint>(endpoint), {.timeout = options.timeout}), options_(options) {
    const ncclUniqueId id = meet();
    const device_scope scope(ordinal_);
    stream_ = make_urgent_stream(ordinal_);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle(ncclCommInitRankConfig(&all_, size(), id, rank(), &config), "ncclCommInitRankConfig");
  }
  nccl(const nccl&) = delete;
  nccl& operator=(const nccl&) = delete;

  ~nccl() {
    if (!all_) return;
    try {
      const device_scope scope(ordinal_);
      if (under_way_.empty() && std::uncaught_exceptions() == exceptions_) {
        settle(ncclCommFinalize(all_), "ncclCommFinalize");
        ncclCommDestroy(std::exchange(all_, nullptr));
      } else {
        abort();
      }
    } catch (const error&) {
      abort();
    }
  }

  int rank() const { return host_.rank(); }
  int size() const { return host_.size(); }
  int node_rank() const { return host_.node_rank(); }
  int node_size() const { return host_.node_size(); }
  static std::string name() { return "nccl<" + std::string(std::string_view(Transport::name)) + ">"; }

  // Buckets of float lie in the device's memory, those of double in the host's. Both are numbered together.
  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements, bool exact = false) {
    if constexpr (std::same_as<T, float>)
      static_cast<void>(bucket_at(bucket));
    else
      guard([&] { host_.template prepare<T>(bucket, elements, exact); });
  }

  // Begins the sum of `data` over all ranks, in place, which is there to be summed. The first sums on a device may wait
  // for the other ranks to begin theirs, as NCCL then connects them.
  template <std::floating_point T>
  void start(int bucket, std::span<T> data) {
    if constexpr (std::same_as<T, float>)
      start_on_device(bucket, data);
    else
      guard([&] { host_.start(bucket, data); });
  }

  // Moves what can be moved; true when nothing is pending.
  bool progress() {
    poll();
    return guard([&] { return host_.progress(); }) && under_way_.empty();
  }
  bool finished(int bucket) const {
    return std::find(under_way_.begin(), under_way_.end(), bucket) == under_way_.end() && host_.finished(bucket);
  }
  void wait(int bucket) {
    while (!finished(bucket)) progress(), std::this_thread::yield();
  }
  void wait_all() {
    while (!progress()) std::this_thread::yield();
  }

  // The sum of a few numbers of the host over all ranks, in place. Every rank waits for every other.
  void sum(std::span<double> values) {
    guard([&] { host_.sum(values); });
  }
  // As communicator::agree.
  void agree(std::uint64_t hash, std::string_view description) {
    guard([&] { host_.agree(hash, std::string(description) + "; " + name()); });
  }

  // The least that a rank must send on average: NCCL does not tell what it sends.
  static constexpr std::uint64_t bytes_sent(int /*rank*/, int ranks, std::size_t elements, std::size_t element_bytes) {
    return least_bytes_sent(ranks, elements, element_bytes);
  }

  // Where what this rank has under way is recorded from now on; nullptr: nowhere. A bucket of NCCL's is there as one
  // that comes from all ranks, from its start until this rank saw that it was done.
  void record_into(timeline* log) {
    host_.record_into(log);
    log_ = log;
  }

 private:
  using clock = std::chrono::steady_clock;
  struct device_bucket {
    owned_event done;
    const float* checked = nullptr;  // known to lie on the device
    clock::time_point since{};
  };

  // Where a rank of the host's part failed, no kernel is to wait for it.
  template <class Call>
  auto guard(Call call) {
    try {
      return call();
    } catch (const communication_error&) {
      abort();
      throw;
    }
  }

  // Rank 0's id, or the same error everywhere when two ranks have the same device, or one has none.
  ncclUniqueId meet() {
    constexpr std::size_t id_bytes = sizeof(ncclUniqueId), device_bytes = sizeof(cudaUUID_t);
    const auto ranks = static_cast<std::size_t>(size()), mine = static_cast<std::size_t>(rank());
    ncclUniqueId id{};
    const ncclResult_t made = mine == 0 ? ncclGetUniqueId(&id) : ncclSuccess;
    std::vector<double> shared(id_bytes + 2 + ranks * device_bytes);  // bytes, which a double holds exactly
    double &failed = shared[id_bytes], &without = shared[id_bytes + 1];
    double* const uuids = &without + 1;
    const auto put = [](const void* from, std::size_t bytes, double* to) {
      std::copy_n(static_cast<const unsigned char*>(from), bytes, to);
    };
    if (mine == 0 && made == ncclSuccess) put(&id, id_bytes, shared.data());
    failed = made != ncclSuccess, without = device_count() == 0;
    if (device_count() > 0) {
      cudaDeviceProp properties{};
      check_status(cudaGetDeviceProperties(&properties, ordinal_), "cudaGetDeviceProperties", ordinal_);
      put(&properties.uuid, device_bytes, uuids + mine * device_bytes);
    }
    host_.sum(shared);
    if (made != ncclSuccess) fail("ncclGetUniqueId", made);
    if (failed > 0) throw communication_error(rank(), 0, "nccl: rank 0 could not make an id");
    if (without > 0) throw usage_error("nccl: " + std::to_string(int(without)) + " ranks have no device");
    for (std::size_t a = 0; a < ranks; ++a)
      for (std::size_t b = 0; b < a; ++b)
        if (std::equal(uuids + a * device_bytes, uuids + (a + 1) * device_bytes, uuids + b * device_bytes))
          throw usage_error("nccl: every rank needs a device of its own, and ranks " + std::to_string(b) + " and " +
                            std::to_string(a) +
                            " have the same: start fewer, or sum over the transport by a tree or ring");
    unsigned char bytes[id_bytes];
    std::copy_n(shared.data(), id_bytes, bytes);
    std::memcpy(&id, bytes, id_bytes);
    return id;
  }

  device_bucket& bucket_at(int bucket) {
    if (bucket < 0) throw usage_error("bucket " + std::to_string(bucket) + ": buckets count from 0");
    const auto slot = static_cast<std::size_t>(bucket);
    const device_scope scope(ordinal_);
    if (slot >= buckets_.size()) buckets_.resize(slot + 1), under_way_.reserve(slot + 1);
    if (!buckets_[slot].done) buckets_[slot].done = make_event(ordinal_);
    return buckets_[slot];
  }

  void start_on_device(int bucket, std::span<float> data) {
    check_alive();
    if (!finished(bucket)) throw usage_error("bucket " + std::to_string(bucket) + " was started while under way");
    device_bucket& b = bucket_at(bucket);
    if (data.empty()) return;
    const device_scope scope(ordinal_);
    if (b.checked != data.data()) check_place(bucket, data.data());
    b.checked = data.data();
    if (under_way_.empty()) stall_.restart(clock::now());
    settle(ncclAllReduce(data.data(), data.data(), data.size(), ncclFloat, ncclSum, all_, stream_.get()),
           "ncclAllReduce", true);
    record_event(b.done, stream_.get(), ordinal_);
    b.since = clock::now();
    under_way_.push_back(bucket);
  }

  void check_place(int bucket, const float* data) const {
    cudaPointerAttributes a{};
    check_status(cudaPointerGetAttributes(&a, data), "cudaPointerGetAttributes", ordinal_);
    const bool reachable = a.type == cudaMemoryTypeManaged || (a.type == cudaMemoryTypeDevice && a.device == ordinal_);
    if (!reachable)
      throw usage_error("nccl: bucket " + std::to_string(bucket) + " does not lie in the memory of device " +
                        std::to_string(ordinal_) + ", which rank " + std::to_string(rank()) + " has");
  }

  void poll() {
    check_alive();
    while (!under_way_.empty()) {  // they end in the order in which they began
      const int bucket = under_way_.front();
      const device_bucket& b = buckets_[static_cast<std::size_t>(bucket)];
      if (!has_passed(b.done, ordinal_)) break;
      if (log_) log_->record(span_kind::receive, bucket, -1, b.since, clock::now());
      under_way_.erase(under_way_.begin());
      stall_.restart();
    }
    if (under_way_.empty()) return;
    ncclResult_t state = ncclSuccess;
    if (const ncclResult_t r = ncclCommGetAsyncError(all_, &state); r != ncclSuccess) state = r;
    if (state != ncclSuccess && state != ncclInProgress) fail("ncclAllReduce", state);
    if (stall_.stuck(clock::now(), options_.timeout))
      give_up("ncclAllReduce, bucket " + std::to_string(under_way_.front()));
  }

  // NCCL says that it is at it until a call has done its part on the host. Others may need this rank's numbers first.
  void settle(ncclResult_t result, const char* call, bool moves_host = false) {
    const clock::time_point start = clock::now();
    while (result == ncclInProgress) {
      if (const ncclResult_t r = ncclCommGetAsyncError(all_, &result); r != ncclSuccess) result = r;
      if (result != ncclInProgress) break;
      if (clock::now() - start > options_.timeout) give_up(call);
      if (moves_host) guard([&] { host_.progress(); });
      std::this_thread::yield();
    }
    if (result != ncclSuccess) fail(call, result);
  }

  void check_alive() const {
    if (!all_) throw communication_error(rank(), -1, "this communicator failed earlier");
  }
  void abort() {
    if (all_) ncclCommAbort(std::exchange(all_, nullptr));
    under_way_.clear();
  }
  [[noreturn]] void fail(const std::string& call, ncclResult_t result) {
    const char* const detail = ncclGetLastError(all_);
    std::string what = "nccl: " + call + ": " + ncclGetErrorString(result);
    if (detail && detail[0]) what.append(", ").append(detail);
    abort();
    throw communication_error(rank(), -1, what);
  }
  [[noreturn]] void give_up(const std::string& what) {
    abort();
    throw communication_error(rank(), -1, waited_for(options_.timeout) + what);
  }

  communicator<tree_schedule, Transport> host_;
  nccl_options options_;
  int ordinal_ = ordinal_of(node_rank());
  owned_stream stream_;
  ncclComm_t all_ = nullptr;
  std::vector<device_bucket> buckets_;
  std::vector<int> under_way_;  // buckets of the device, in order of start
  stall_clock<clock::time_point> stall_;
  timeline* log_ = nullptr;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace firecaffe
