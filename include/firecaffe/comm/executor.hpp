#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/timeline.hpp"
#include "collective.hpp"
#include "schedule.hpp"
#include "transport.hpp"

namespace firecaffe {

struct executor_options {
  int window = 2;  // messages under way to a peer, and from a peer, for each bucket
  // How long a rank waits without any message arriving before it gives up. Long enough for a peer that reads a file or
  // writes a checkpoint.
  std::chrono::milliseconds timeout{120'000};
};

// Runs schedules over a transport: non-blocking, several buckets at once, each under a tag of its own. Everything
// happens in the calls of the owning thread; a bucket's memory is allocated when it is set up, none afterwards.
//
// A bucket needs, beside the data, `window` times its longest receive_add for every peer that it adds from; nothing for
// a peer whose memory can be viewed. With a lossy codec, every message lies beside the data in its coded form, and a
// sender keeps what its receivers will decode, so that all ranks end with the same bits; a codec that feeds back needs
// as much again as the data, for what was lost and goes into the next sum.
// Clock and memory are policies, so that a simulated machine runs this very code.
template <transport Transport, codec Codec = raw, class Clock = std::chrono::steady_clock, class Memory = host_memory>
class executor {
 public:
  static_assert(!works_apart<Memory> || (!viewing_transport<Transport> && !Codec::lossy),
                "memory that works apart takes plain messages: no codec, and a transport that does not view");
  static constexpr int internal_bucket = -1;  // the communicator's own

  explicit executor(Transport& wire, executor_options options = {}, Clock clock = {}, Memory memory = {})
      : wire_(wire), options_(options), clock_(clock), memory_(std::move(memory)) {
    if (options.window < 1) throw usage_error("the window of a communicator must be at least 1 message");
  }
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  // Gives up what is still under way, without waiting for peers. Memory that the transport cannot give back is leaked
  // rather than freed under its feet; the data itself belongs to the caller, who must let it outlive this.
  ~executor() {
    for (collective_type& c : collectives_)
      if (c.remaining > 0 && !cancel(c)) static_cast<void>(c.scratch.release());
  }

  template <class T>
  bool is_set_up(int bucket, std::size_t elements) const {
    const std::size_t slot = slot_of(bucket);
    return slot < collectives_.size() && collectives_[slot].verbs == &verbs_for<T, Codec, Memory> &&
           collectives_[slot].elements == elements;
  }
  bool is_coded(int bucket) const { return collectives_[slot_of(bucket)].coded; }

  // Lays out what `start` will do for this bucket, from this rank's steps for `elements` elements of T. An exact bucket
  // is not coded.
  template <class T>
  void set_up(int bucket, std::size_t elements, std::vector<step> steps, bool exact = false) {
    set_up_as(verbs_for<T, Codec, Memory>, bucket, elements, std::move(steps), exact);
  }

  // Begins the bucket's collective on `data`, which must stay until it is finished.
  template <class T>
  void start(int bucket, std::span<T> data) {
    if (!is_set_up<T>(bucket, data.size()))
      throw usage_error("bucket " + std::to_string(bucket) + " is not set up for " + std::to_string(data.size()) +
                        " elements of this type");
    begin(collectives_[slot_of(bucket)], reinterpret_cast<std::byte*>(data.data()));
  }

  bool finished(int bucket) const {
    const std::size_t slot = slot_of(bucket);
    return slot >= collectives_.size() || collectives_[slot].remaining == 0;
  }

  bool idle() const { return active_.empty(); }

  // Moves every bucket as far as it goes without waiting; true if anything moved. Throws communication_error when a
  // peer failed or kept this rank waiting for too long; the data is then undefined and no bucket can be started.
  bool poll() {
    if (failed_) throw communication_error(wire_.rank(), failed_peer_, "this communicator failed earlier");
    bool any = false;
    for (std::size_t k = 0; k < active_.size();) {
      collective_type& c = collectives_[active_[k]];
      bool moved = false;
      while (advance(c)) moved = true;
      any |= moved;
      if (c.remaining == 0) {
        if constexpr (Codec::lossy) c.round_untold();
        active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(k));
        continue;
      }
      if (moved)
        c.stall.restart();
      else
        watch(c);
      ++k;
    }
    return any;
  }

  // Where the messages of this rank are recorded from now on; nullptr: nowhere.
  void record_into(timeline* log) { log_ = log; }

 private:
  using collective_type = collective<Transport, Codec, Clock, Memory>;
  using lane_state = typename collective_type::lane_state;
  using flight = typename collective_type::flight;
  using verbs_type = element_verbs<Memory>;
  using time_point = typename collective_type::time_point;

  static std::size_t slot_of(int bucket) { return static_cast<std::size_t>(bucket + 1); }

  void set_up_as(const verbs_type& verbs, int bucket, std::size_t elements, std::vector<step>&& steps, bool exact) {
    const std::size_t slot = slot_of(bucket);
    if (bucket < internal_bucket || static_cast<int>(slot) > wire_.largest_tag())
      throw usage_error("bucket " + std::to_string(bucket) + " is not within 0.." +
                        std::to_string(wire_.largest_tag() - 1));
    if (!finished(bucket)) throw usage_error("bucket " + std::to_string(bucket) + " was set up while under way");
    collective_type c;
    c.bucket = bucket;
    c.elements = elements;
    c.coded = Codec::lossy && !exact;
    c.verbs = &verbs;
    c.steps = make_plan(std::move(steps));
    if constexpr (Codec::feeds_back)
      if (c.coded && elements > 0) {
        c.lost = verbs.allocate(memory_, elements * verbs.element_bytes);
        std::memset(&c.lost[0], 0, elements * verbs.element_bytes);
      }
    c.lay_out(wire_, static_cast<std::size_t>(options_.window), memory_);
    if (slot >= collectives_.size()) collectives_.resize(slot + 1);
    active_.reserve(collectives_.size());
    flights_ += c.flights.size();
    if constexpr (requires { wire_.reserve(flights_); }) wire_.reserve(flights_);
    collectives_[slot] = std::move(c);
  }

  void begin(collective_type& c, std::byte* data) {
    if (failed_) throw communication_error(wire_.rank(), failed_peer_, "this communicator failed earlier");
    if (c.remaining > 0) throw usage_error("bucket " + std::to_string(c.bucket) + " was started while under way");
    c.data = data;
    c.remaining = c.steps.steps.size();
    if (c.remaining == 0) return;
    if constexpr (Codec::feeds_back)
      if (c.lost) c.verbs->feed(c.data, &c.lost[0], c.elements);
    std::fill(c.done.begin(), c.done.end(), static_cast<unsigned char>(0));
    if constexpr (lending_transport<Transport>) std::fill(c.at_peer.begin(), c.at_peer.end(), nullptr);
    for (lane_state& l : c.lanes) l.started = l.finished = 0;
    c.stall.restart();
    active_.push_back(slot_of(c.bucket));
    poll();
  }

  // One pass over the lanes: finish what has arrived, start what may start.
  bool advance(collective_type& c) {
    bool moved = false;
    for (std::size_t l = 0; l < c.lanes.size(); ++l) {
      const lane& way = c.steps.lanes[l];
      lane_state& at = c.lanes[l];
      while (at.finished < at.started && finish(c, at, way.steps[at.finished])) moved = true;
      while (at.started < way.steps.size() && at.started - at.finished < at.window &&
             begin(c, at, way.steps[at.started]))
        moved = true;
    }
    return moved;
  }

  bool finish(collective_type& c, lane_state& at, std::uint32_t i) {
    const step& s = c.steps.steps[i];
    flight& f = c.flight_of(at, at.finished);
    if (!f.arrived) f.arrived = guard(c, i, [&] { return wire_.test(f.handle); });
    if (!f.arrived) return false;
    if (s.kind != step_kind::send && c.beside(at, s) && !took_over(c, at, i, f)) return false;
    note(s, c.bucket, f.since);
    f.arrived = f.copied = false;
    f.since = {};
    c.done[i] = 1;
    ++at.finished;
    --c.remaining;
    return true;
  }

  // Whether that is done, where the memory works on its own.
  bool took_over(collective_type& c, lane_state& at, std::uint32_t i, flight& f) {
    if constexpr (works_apart<Memory>) {
      if (!f.copied && take_over(c, at, i, f)) f.copied = true, f.work = memory_.asked();
      return f.copied && memory_.done(f.work);
    } else {
      return take_over(c, at, i, f);
    }
  }

  // What arrived beside the data goes into it, once earlier steps allow that.
  bool take_over(collective_type& c, lane_state& at, std::uint32_t i, flight& f) {
    const step& s = c.steps.steps[i];
    const bool ready = c.steps.ready(i, c.done);
    if constexpr (viewing_transport<Transport>)
      if (at.views && !f.copied) {
        if constexpr (lending_transport<Transport>) {
          const sharing how = wire_.sharing_of(f.handle);
          if (how == sharing::lent && s.kind == step_kind::receive_add && !c.coded)
            c.at_peer[i] = const_cast<std::byte*>(wire_.view(f.handle));
          if (how == sharing::placed) {
            if (ready) wire_.release(f.handle);
            return f.copied = ready;
          }
        }
        if (!ready && !c.exchanges(i)) return false;
        const std::byte* const message = wire_.view(f.handle);
        if (ready)
          c.take_over(i, message, memory_);
        else
          std::memcpy(c.scratch_of(at, at.finished), message, c.message_bytes(s));
        wire_.release(f.handle);
        f.copied = true;
        return ready;
      }
    if (ready) c.take_over(i, c.scratch_of(at, at.finished), memory_);
    return ready;
  }

  bool begin(collective_type& c, lane_state& at, std::uint32_t i) {
    const step& s = c.steps.steps[i];
    const bool sends = s.kind == step_kind::send;
    if ((sends || !c.beside(at, s)) && !c.steps.ready(i, c.done)) return false;
    flight& f = c.flight_of(at, at.started);
    const std::size_t bytes = c.message_bytes(s);
    const int tag = static_cast<int>(slot_of(c.bucket));
    if (log_) f.since = clock_.now();
    std::byte* const place = at.views          ? nullptr
                             : c.beside(at, s) ? c.scratch_of(at, at.started)
                                               : c.data + s.first * c.verbs->element_bytes;
    if constexpr (Codec::lossy)
      if (sends && c.coded) c.encode({s.first, s.last}, place);
    guard(c, i, [&] {
      if (!sends)
        f.handle = wire_.irecv(s.peer, tag, place, bytes);
      else if constexpr (lending_transport<Transport>)
        f.handle = wire_.isend(s.peer, tag, place, bytes, c.sharing_of(i));
      else
        f.handle = wire_.isend(s.peer, tag, place, bytes);
      return true;
    });
    ++at.started;
    return true;
  }

  void note(const step& s, int bucket, time_point since) {
    if constexpr (std::same_as<Clock, std::chrono::steady_clock>)
      if (log_ != nullptr && since != time_point{})
        log_->record(s.kind == step_kind::send ? span_kind::send : span_kind::receive, bucket, s.peer, since,
                     clock_.now());
  }

  // Tells in which step a transport failed.
  template <class Call>
  bool guard(const collective_type& c, std::uint32_t i, Call call) {
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

  // Gives up when nothing has come for too long.
  void watch(collective_type& c) {
    if constexpr (works_apart<Memory>)
      for (const flight& f : c.flights)
        if (f.copied) return c.stall.restart();  // this rank's own sum is what is waited for
    if (!c.stall.stuck(clock_.now(), options_.timeout)) return;
    const std::uint32_t i = awaited(c);
    const int peer = c.steps.steps[i].peer;
    fail(peer);
    throw communication_error(wire_.rank(), peer,
                              waited_for(options_.timeout) + "rank " + std::to_string(peer) + ", " + describe(c, i));
  }

  // The earliest step under way that is another rank's turn; a message to come says more than one not yet taken.
  std::uint32_t awaited(const collective_type& c) const {
    std::uint32_t best[2] = {UINT32_MAX, UINT32_MAX};
    for (std::size_t l = 0; l < c.lanes.size(); ++l) {
      const lane_state& at = c.lanes[l];
      if (at.finished == at.started || c.flight_of(at, at.finished).arrived) continue;
      std::uint32_t& least = best[c.steps.lanes[l].sends];
      least = std::min(least, c.steps.lanes[l].steps[at.finished]);
    }
    if (best[0] != UINT32_MAX) return best[0];
    return best[1] != UINT32_MAX ? best[1] : 0;
  }

  std::string describe(const collective_type& c, std::uint32_t i) const {
    const step& s = c.steps.steps[i];
    return (c.bucket == internal_bucket ? std::string("blocking sum") : "bucket " + std::to_string(c.bucket)) + ": " +
           std::string(to_string(s.kind)) + " of elements [" + std::to_string(s.first) + ", " + std::to_string(s.last) +
           "), step " + std::to_string(i + 1) + " of " + std::to_string(c.steps.steps.size());
  }

  void fail(int peer) {
    failed_ = true;
    failed_peer_ = peer;
  }

  bool cancel(collective_type& c) {
    bool all = true;
    for (std::size_t l = 0; l < c.lanes.size(); ++l)
      for (std::size_t nth = c.lanes[l].finished; nth < c.lanes[l].started; ++nth)
        if (flight& f = c.flight_of(c.lanes[l], nth);
            (!f.arrived || (c.lanes[l].views && !f.copied)) && !wire_.cancel(f.handle))
          all = false;
    return all;
  }

  Transport& wire_;
  executor_options options_;
  [[no_unique_address]] Clock clock_;
  [[no_unique_address]] Memory memory_;
  std::vector<collective_type> collectives_;  // by slot
  std::vector<std::size_t> active_;           // slots, in order of start
  std::size_t flights_ = 0;
  timeline* log_ = nullptr;
  bool failed_ = false;
  int failed_peer_ = -1;
};

}  // namespace firecaffe
