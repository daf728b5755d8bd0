#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "codec.hpp"
#include "element_verbs.hpp"
#include "loans.hpp"
#include "slices.hpp"
#include "stall_clock.hpp"
#include "transport.hpp"

namespace firecaffe {

// One bucket's part of an executor: its plan, what of it is under way, and the memory beside the data.
template <transport Transport, codec Codec, class Clock, class Memory>
struct collective {
  using time_point = decltype(std::declval<Clock&>().now());
  using verbs_type = element_verbs<Memory>;

  struct flight {
    typename Transport::request handle{};
    bool arrived = false, copied = false;
    std::uint64_t work = 0;  // that takes over what arrived, where memory works apart
    time_point since{};      // kept only for the record
  };
  struct lane_state {
    std::size_t started = 0, finished = 0;  // counts of the lane's steps
    std::size_t window = 0, first_flight = 0;
    std::size_t scratch = 0, slot_bytes = 0;  // where its messages lie, if not in the data
    bool views = false;                       // they are read where the sender has them
  };

  int bucket = 0;
  std::size_t elements = 0;
  bool coded = false;
  const verbs_type* verbs = nullptr;  // null: not set up
  step_plan steps;
  std::vector<slice> untold;  // coded sums that this rank forms and sends to nobody
  std::vector<unsigned char> done;
  std::vector<lane_state> lanes;
  std::vector<flight> flights;
  loan_plan loans;                  // empty where nothing is lent
  std::vector<std::byte*> at_peer;  // by step: where the peer's part may be written (receive_add), or was (send)
  typename Memory::buffer scratch{}, lost{};
  std::byte* data = nullptr;
  std::size_t remaining = 0;
  stall_clock<time_point> stall;

  std::size_t message_bytes(slice s) const {
    return coded ? Codec::bytes(s.size(), verbs->element_bytes) : s.size() * verbs->element_bytes;
  }
  std::size_t message_bytes(const step& s) const { return message_bytes(slice{s.first, s.last}); }

  // Whether a message lies beside the data. What arrives there is taken over when earlier steps are done.
  bool beside(const lane_state& l, const step& s) const { return coded || l.views || s.kind == step_kind::receive_add; }

  // A sum in place of what this rank itself sends. Two ranks that swap like that would wait for each other's views, so
  // such a message is copied when it arrives.
  bool exchanges(std::uint32_t i) const {
    if (steps.steps[i].kind != step_kind::receive_add) return false;
    for (std::size_t k = steps.first_need[i]; k < steps.first_need[i + 1]; ++k)
      if (steps.steps[steps.needs[k]].kind == step_kind::send) return true;
    return false;
  }

  // Needs the steps and how they are coded; gives lanes, flights and scratch.
  void lay_out(const Transport& wire, std::size_t window, Memory& memory) {
    done.resize(steps.steps.size());
    lanes = std::vector<lane_state>(steps.lanes.size());
    std::size_t count = 0, bytes = 0;
    if constexpr (Codec::lossy) {
      if (coded) find_untold();
      for (const slice& s : untold) bytes = std::max(bytes, message_bytes(s));  // when all else is done
    }
    std::size_t used = 0;
    for (std::size_t l = 0; l < lanes.size(); ++l) {
      const lane& way = steps.lanes[l];
      lane_state& at = lanes[l];
      at.window = window;
      if constexpr (viewing_transport<Transport>)
        if (wire.can_view(way.peer)) {
          at.window = Transport::view_window;
          at.views = !way.sends;
        }
      at.window = std::min(at.window, way.steps.size());
      at.first_flight = count;
      count += at.window;
      std::size_t longest = 0;
      for (const std::uint32_t i : way.steps)
        if (at.views ? exchanges(i) : beside(at, steps.steps[i]))
          longest = std::max(longest, message_bytes(steps.steps[i]));
      at.slot_bytes = (longest + 63) / 64 * 64;
      at.scratch = used;
      used += at.slot_bytes * at.window;
    }
    flights = std::vector<flight>(count);
    if constexpr (lending_transport<Transport>)
      if (!coded) {
        loans = find_loans(steps);
        at_peer.resize(steps.steps.size());
      }
    scratch = verbs->allocate(memory, std::max(used, bytes));
  }

  flight& flight_of(const lane_state& l, std::size_t nth) { return flights[l.first_flight + nth % l.window]; }
  const flight& flight_of(const lane_state& l, std::size_t nth) const {
    return flights[l.first_flight + nth % l.window];
  }
  std::byte* scratch_of(const lane_state& l, std::size_t nth) {
    return &scratch[0] + l.scratch + l.slot_bytes * (nth % l.window);
  }

  // What the message of a send says about memory.
  sharing sharing_of(std::uint32_t i) const {
    if (loans.lends.empty()) return sharing::none;
    return at_peer[i] != nullptr ? sharing::placed : loans.lends[i] != 0 ? sharing::lent : sharing::none;
  }

  // What arrived goes into the data, and a sum that it completes to those who lent their parts.
  void take_over(std::uint32_t i, const std::byte* message, Memory& memory) {
    const step& s = steps.steps[i];
    std::byte* const into = data + s.first * verbs->element_bytes;
    const std::size_t count = s.last - s.first;
    const bool adds = s.kind == step_kind::receive_add;
    if constexpr (Codec::lossy)
      if (coded) return (adds ? verbs->decode_add : verbs->decode)(message, into, count);
    if constexpr (lending_transport<Transport>) {
      bool anyone = false;
      for_borrowed(i, [&](std::uint32_t send, std::byte* place) {
        at_peer[send] = place;
        anyone = true;
      });
      if (anyone) return add_and_place(i, into, message, count, memory);
    }
    (adds ? verbs->add : verbs->copy)(memory, into, message, count);
  }

  void encode(slice s, std::byte* message) {
    const std::size_t at = s.first * verbs->element_bytes;
    verbs->encode(data + at, s.size(), message, lost ? &lost[0] + at : nullptr);
  }

  // Ranks that were sent a sum hold what its code says; those that formed it themselves do so after this.
  void round_untold() {
    for (const slice& s : untold) encode(s, &scratch[0]);
  }

 private:
  // For every send of the sum that this receive_add completes, with where the receiver's part of it lies.
  template <class Visit>
  void for_borrowed(std::uint32_t i, Visit visit) {
    if (loans.lends.empty()) return;
    for (std::uint32_t k = loans.completes[i]; k != loan_plan::none; k = loans.next[k])
      if (std::byte* const place = at_peer[loans.borrowed[k]]) visit(k, place);
  }

  // Block by block, each written while it is in the cache. The message itself may lie in one of the places.
  void add_and_place(std::uint32_t i, std::byte* into, const std::byte* message, std::size_t count, Memory& memory) {
    constexpr std::size_t block = 1024;
    for (std::size_t first = 0; first < count; first += block) {
      const std::size_t n = std::min(block, count - first), at = first * verbs->element_bytes;
      verbs->add(memory, into + at, message + at, n);
      for_borrowed(i, [&](std::uint32_t, std::byte* place) { verbs->copy(memory, place + at, into + at, n); });
    }
  }

  void find_untold() {
    std::vector<std::size_t> cuts;
    for (const step& s : steps.steps) add_cut(cuts, s.first), add_cut(cuts, s.last);
    std::vector<unsigned char> fresh(cuts.size());
    for (const step& s : steps.steps)
      for (std::size_t k = cut_index(cuts, s.first); k < cut_index(cuts, s.last); ++k)
        fresh[k] = s.kind == step_kind::receive_add;
    for (std::size_t k = 0; k + 1 < cuts.size(); ++k)
      if (fresh[k]) untold.push_back({cuts[k], cuts[k + 1]});
  }
};

}  // namespace firecaffe
