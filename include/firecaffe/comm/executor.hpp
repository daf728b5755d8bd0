#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "schedule.hpp"
#include "transport.hpp"

namespace firecaffe {

// Where arriving addends wait, and how they are added: the policy for buffers in a host's memory.
struct host_memory {
  using buffer = std::unique_ptr<std::byte[]>;

  static buffer allocate(std::size_t bytes) { return bytes == 0 ? nullptr : buffer(new std::byte[bytes]); }

  template <class T>
  static void add(T* into, const T* addend, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) into[i] += addend[i];
  }
};

struct executor_options {
  int window = 2;  // messages under way to a peer, and from a peer, for each bucket
  // How long a rank waits without any message arriving before it gives up. Long enough for a peer that reads a file or
  // writes a checkpoint.
  std::chrono::milliseconds timeout{120'000};
};

// Runs schedules over a transport: non-blocking, several buckets at once, each under a tag of its own. Everything
// happens in the calls of the owning thread; a bucket's memory is allocated when it is set up, none afterwards.
//
// A bucket needs, beside the data, `window` times its longest receive_add for every peer that it adds from.
// Clock and memory are policies, so that a simulated machine runs this very code.
template <transport Transport, class Clock = std::chrono::steady_clock, class Memory = host_memory>
class executor {
 public:
  static constexpr int internal_bucket = -1;  // the communicator's own

  explicit executor(Transport& wire, executor_options options = {}, Clock clock = {}, Memory memory = {})
      : wire_(wire), options_(options), clock_(clock), memory_(memory) {
    if (options.window < 1) throw usage_error("the window of a communicator must be at least 1 message");
  }
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  // Gives up what is still under way, without waiting for peers. Memory that the transport cannot give back is leaked
  // rather than freed under its feet; the data itself belongs to the caller, who must let it outlive this.
  ~executor() {
    for (const auto& c : collectives_)
      if (c && c->remaining > 0 && !cancel(*c)) static_cast<void>(c->scratch.release());
  }

  template <class T>
  bool is_set_up(int bucket, std::size_t elements) const {
    const std::size_t slot = slot_of(bucket);
    return slot < collectives_.size() && collectives_[slot] && collectives_[slot]->add == &add<T> &&
           collectives_[slot]->elements == elements;
  }

  // Lays out what `start` will do for this bucket, from this rank's steps for `elements` elements of T.
  template <class T>
  void set_up(int bucket, std::size_t elements, std::vector<step> steps) {
    const std::size_t slot = slot_of(bucket);
    if (bucket < internal_bucket || static_cast<int>(slot) > wire_.largest_tag())
      throw usage_error("bucket " + std::to_string(bucket) + " is not within 0.." +
                        std::to_string(wire_.largest_tag() - 1));
    if (!finished(bucket)) throw usage_error("bucket " + std::to_string(bucket) + " was set up while under way");
    auto c = std::make_unique<collective>();
    c->bucket = bucket;
    c->elements = elements;
    c->element_bytes = sizeof(T);
    c->add = &add<T>;
    c->steps = make_plan(std::move(steps));
    c->done.resize(c->steps.steps.size());
    c->lanes.resize(c->steps.lanes.size());
    c->flights.resize(c->lanes.size() * window());
    std::size_t scratch = 0;
    for (std::size_t l = 0; l < c->lanes.size(); ++l) {
      std::size_t longest = 0;
      for (const std::uint32_t i : c->steps.lanes[l].steps) {
        const step& s = c->steps.steps[i];
        if (s.kind == step_kind::receive_add) longest = std::max(longest, (s.last - s.first) * sizeof(T));
      }
      c->lanes[l].slot_bytes = (longest + 63) / 64 * 64;
      c->lanes[l].scratch = scratch;
      scratch += c->lanes[l].slot_bytes * std::min(window(), c->steps.lanes[l].steps.size());
    }
    c->scratch = memory_.allocate(scratch);
    if (slot >= collectives_.size()) collectives_.resize(slot + 1);
    active_.reserve(collectives_.size());
    collectives_[slot] = std::move(c);
  }

  // Begins the bucket's collective on `data`, which must stay until it is finished.
  template <class T>
  void start(int bucket, std::span<T> data) {
    if (failed_) throw communication_error(wire_.rank(), failed_peer_, "this communicator failed earlier");
    if (!is_set_up<T>(bucket, data.size()))
      throw usage_error("bucket " + std::to_string(bucket) + " is not set up for " + std::to_string(data.size()) +
                        " elements of this type");
    if (!finished(bucket)) throw usage_error("bucket " + std::to_string(bucket) + " was started while under way");
    collective& c = *collectives_[slot_of(bucket)];
    c.data = reinterpret_cast<std::byte*>(data.data());
    c.remaining = c.steps.steps.size();
    if (c.remaining == 0) return;
    std::fill(c.done.begin(), c.done.end(), static_cast<unsigned char>(0));
    for (lane_state& l : c.lanes) l.started = l.finished = 0;
    c.waited = {};
    c.polled = clock_.now();
    active_.push_back(&c);
    poll();
  }

  bool finished(int bucket) const {
    const std::size_t slot = slot_of(bucket);
    return slot >= collectives_.size() || !collectives_[slot] || collectives_[slot]->remaining == 0;
  }

  bool idle() const { return active_.empty(); }

  // Moves every bucket as far as it goes without waiting; true if anything moved. Throws communication_error when a
  // peer failed or kept this rank waiting for too long; the data is then undefined and no bucket can be started.
  bool poll() {
    if (failed_) throw communication_error(wire_.rank(), failed_peer_, "this communicator failed earlier");
    bool any = false;
    for (std::size_t k = 0; k < active_.size();) {
      collective& c = *active_[k];
      bool moved = false;
      while (advance(c)) moved = true;
      any |= moved;
      if (c.remaining == 0) {
        active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(k));
        continue;
      }
      watch(c, moved);
      ++k;
    }
    return any;
  }

  std::size_t window() const { return static_cast<std::size_t>(options_.window); }

 private:
  using request = typename Transport::request;
  using time_point = decltype(std::declval<Clock&>().now());
  using duration = typename time_point::duration;

  struct flight {
    request handle{};
    bool arrived = false;
  };
  struct lane_state {
    std::size_t started = 0, finished = 0;    // counts of the lane's steps
    std::size_t scratch = 0, slot_bytes = 0;  // where its addends arrive
  };
  struct collective {
    int bucket = 0;
    std::size_t elements = 0, element_bytes = 0;
    void (*add)(Memory&, std::byte*, const std::byte*, std::size_t) = nullptr;
    step_plan steps;
    std::vector<unsigned char> done;
    std::vector<lane_state> lanes;
    std::vector<flight> flights;  // window() per lane
    typename Memory::buffer scratch{};
    std::byte* data = nullptr;
    std::size_t remaining = 0;
    duration waited{};
    time_point polled{};
  };

  static std::size_t slot_of(int bucket) { return static_cast<std::size_t>(bucket + 1); }

  template <class T>
  static void add(Memory& memory, std::byte* into, const std::byte* addend, std::size_t count) {
    memory.add(reinterpret_cast<T*>(into), reinterpret_cast<const T*>(addend), count);
  }

  flight& flight_of(collective& c, std::size_t l, std::size_t nth) { return c.flights[l * window() + nth % window()]; }
  std::byte* scratch_of(collective& c, std::size_t l, std::size_t nth) {
    return &c.scratch[0] + c.lanes[l].scratch + c.lanes[l].slot_bytes * (nth % window());
  }

  // One pass over the lanes: finish what has arrived, start what may start.
  bool advance(collective& c) {
    bool moved = false;
    for (std::size_t l = 0; l < c.lanes.size(); ++l) {
      const lane& way = c.steps.lanes[l];
      lane_state& at = c.lanes[l];
      while (at.finished < at.started && finish(c, l, way.steps[at.finished])) moved = true;
      while (at.started < way.steps.size() && at.started - at.finished < window() && begin(c, l, way.steps[at.started]))
        moved = true;
    }
    return moved;
  }

  bool finish(collective& c, std::size_t l, std::uint32_t i) {
    const step& s = c.steps.steps[i];
    lane_state& at = c.lanes[l];
    flight& f = flight_of(c, l, at.finished);
    if (!f.arrived) f.arrived = guard(c, i, [&] { return wire_.test(f.handle); });
    if (!f.arrived) return false;
    if (s.kind == step_kind::receive_add) {
      if (!c.steps.ready(i, c.done)) return false;
      c.add(memory_, c.data + s.first * c.element_bytes, scratch_of(c, l, at.finished), s.last - s.first);
    }
    f.arrived = false;
    c.done[i] = 1;
    ++at.finished;
    --c.remaining;
    return true;
  }

  bool begin(collective& c, std::size_t l, std::uint32_t i) {
    const step& s = c.steps.steps[i];
    if (s.kind != step_kind::receive_add && !c.steps.ready(i, c.done)) return false;
    lane_state& at = c.lanes[l];
    const std::size_t bytes = (s.last - s.first) * c.element_bytes;
    const int tag = static_cast<int>(slot_of(c.bucket));
    std::byte* const place =
        s.kind == step_kind::receive_add ? scratch_of(c, l, at.started) : c.data + s.first * c.element_bytes;
    guard(c, i, [&] {
      flight_of(c, l, at.started).handle =
          s.kind == step_kind::send ? wire_.isend(s.peer, tag, place, bytes) : wire_.irecv(s.peer, tag, place, bytes);
      return true;
    });
    ++at.started;
    return true;
  }

  // Tells in which step a transport failed.
  template <class Call>
  bool guard(const collective& c, std::uint32_t i, Call call) {
    try {
      return call();
    } catch (const communication_error& e) {
      fail(e.peer);
      const std::string prefix = "rank " + std::to_string(e.rank) + ": ";
      std::string what = e.what();
      if (what.compare(0, prefix.size(), prefix) == 0) what.erase(0, prefix.size());
      throw communication_error(wire_.rank(), e.peer, what + ", " + describe(c, i));
    }
  }

  // Gives up when nothing has come for too long. Time that this rank spent elsewhere between two polls is no waiting:
  // the peers may have waited for this rank.
  void watch(collective& c, bool moved) {
    const time_point now = clock_.now();
    const duration limit = std::chrono::duration_cast<duration>(options_.timeout);
    c.waited = moved ? duration{} : c.waited + std::min<duration>(now - c.polled, limit / 8);
    c.polled = now;
    if (c.waited < limit) return;
    const std::uint32_t i = awaited(c);
    const int peer = c.steps.steps[i].peer;
    fail(peer);
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.3g", std::chrono::duration<double>(options_.timeout).count());
    throw communication_error(
        wire_.rank(), peer,
        std::string("waited ") + seconds + " s for rank " + std::to_string(peer) + ", " + describe(c, i));
  }

  // The earliest step under way that is another rank's turn; a message to come says more than one not yet taken.
  std::uint32_t awaited(const collective& c) const {
    std::uint32_t best[2] = {UINT32_MAX, UINT32_MAX};
    for (std::size_t l = 0; l < c.lanes.size(); ++l) {
      const lane_state& at = c.lanes[l];
      if (at.finished == at.started || c.flights[l * window() + at.finished % window()].arrived) continue;
      std::uint32_t& least = best[c.steps.lanes[l].sends];
      least = std::min(least, c.steps.lanes[l].steps[at.finished]);
    }
    if (best[0] != UINT32_MAX) return best[0];
    return best[1] != UINT32_MAX ? best[1] : 0;
  }

  std::string describe(const collective& c, std::uint32_t i) const {
    const step& s = c.steps.steps[i];
    return (c.bucket == internal_bucket ? std::string("blocking sum") : "bucket " + std::to_string(c.bucket)) + ": " +
           std::string(to_string(s.kind)) + " of elements [" + std::to_string(s.first) + ", " + std::to_string(s.last) +
           "), step " + std::to_string(i + 1) + " of " + std::to_string(c.steps.steps.size());
  }

  void fail(int peer) {
    failed_ = true;
    failed_peer_ = peer;
  }

  bool cancel(collective& c) {
    bool all = true;
    for (std::size_t l = 0; l < c.lanes.size(); ++l)
      for (std::size_t nth = c.lanes[l].finished; nth < c.lanes[l].started; ++nth)
        if (flight& f = flight_of(c, l, nth); !f.arrived && !wire_.cancel(f.handle)) all = false;
    return all;
  }

  Transport& wire_;
  executor_options options_;
  [[no_unique_address]] Clock clock_;
  [[no_unique_address]] Memory memory_;
  std::vector<std::unique_ptr<collective>> collectives_;  // by slot
  std::vector<collective*> active_;                       // in order of start
  bool failed_ = false;
  int failed_peer_ = -1;
};

}  // namespace firecaffe
