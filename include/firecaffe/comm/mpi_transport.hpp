#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "mpi_messages.hpp"
#include "mpi_window.hpp"

namespace firecaffe::mpi {

struct transport_options {
  int buckets = 254;                    // the greatest number of buckets; each costs a kilobyte per pair of ranks
  std::size_t staging_bytes = 4 << 20;  // per rank: for messages that lie outside the shared windows
  std::size_t eager_bytes = 8 << 10;    // messages up to this length are copied, so that a send need not be waited for
};

// The ranks of one node meet in shared windows (MPI_Win_allocate_shared) and read each other's memory; ranks of other
// nodes are reached by messages, as by mpi::messages. What lies in memory from `allocate` is read in place; anything
// else is copied once, through a staging area of this rank.
//
// Between two ranks of a node there is a ring of `view_window` cells for every tag. The sender of message n fills cell
// n % view_window and then sets `posted` to n; the receiver, done with the message, sets `taken` to n. Both counters
// have cache lines of their own. No MPI call is made to send or receive within a node.
//
// Construction, `allocate` and destruction are collective over `parent`; see mpi::messages for the last.
class transport {
 public:
  static constexpr std::string_view name = "mpi";
  static constexpr bool reaches_device_memory = false;
  static constexpr std::size_t view_window = 8;

  struct request {
    messages::request message{};  // to or from another node
    int local = -1;               // the peer's place in the node, -1 where it has none
    bool sends = false, posted = false, copied = false;
    sharing how = sharing::none;
    int tag = 0, peer = -1;
    std::uint64_t number = 0;  // from 1, for each tag and direction between two ranks
    const std::byte* from = nullptr;
    std::byte* into = nullptr;
    std::size_t bytes = 0;
  };

  explicit transport(MPI_Comm parent, transport_options options = {})
      : messages_(parent), options_(options), node_(messages_.own()) {
    const std::size_t n = node_.size();
    staging_at_ = n * tags() * view_window * sizeof(cell);
    sent_.resize(n * tags());
    posted_.resize(n * tags());
    received_.resize(n * tags());
    std::byte* const mine = node_.allocate(staging_at_ + options_.staging_bytes);
    for (std::size_t i = 0; i < n * tags() * view_window; ++i) ::new (mine + i * sizeof(cell)) cell;
    node_.barrier();
  }

  int rank() const { return messages_.rank(); }
  int size() const { return messages_.size(); }
  int node_rank() const { return messages_.node_rank(); }
  int node_size() const { return messages_.node_size(); }
  const node_map& nodes() const { return messages_.nodes(); }
  int largest_tag() const { return std::min(messages_.largest_tag(), options_.buckets); }

  // Memory of this rank that the ranks of its node read in place; it lives as long as the transport. Collective. Not
  // initialised.
  std::byte* allocate(std::size_t bytes) { return node_.allocate(bytes); }

  // MPI is called for ranks of other nodes only.
  void allow_threads() const {
    if (node_size() < size()) messages_.allow_threads();
  }

  request isend(int peer, int tag, const void* from, std::size_t bytes, sharing how = sharing::none) {
    request r;
    r.sends = true, r.local = place_of(peer);
    if (r.local < 0) {
      r.message = messages_.isend(peer, tag, from, bytes);
      return r;
    }
    r.peer = peer, r.tag = tag, r.bytes = bytes, r.from = static_cast<const std::byte*>(from);
    r.how = how;
    r.number = ++sent_[way(r)];
    post(r);
    return r;
  }

  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    request r;
    r.local = place_of(peer);
    if (r.local < 0) {
      r.message = messages_.irecv(peer, tag, into, bytes);
      return r;
    }
    r.peer = peer, r.tag = tag, r.bytes = bytes, r.into = static_cast<std::byte*>(into);
    r.number = ++received_[way(r)];
    return r;
  }

  bool test(request& r) {
    if (r.local < 0) return messages_.test(r.message);
    if (!(r.sends ? sent(r) : received(r))) return false;
    messages_.stir();
    return true;
  }

  bool can_view(int peer) const { return place_of(peer) >= 0; }
  const std::byte* view(const request& r) const {
    const cell& c = incoming(r);
    return node_.base(c.window, static_cast<std::size_t>(r.local)) + c.offset;
  }
  sharing sharing_of(const request& r) const { return incoming(r).how; }
  void release(request& r) { incoming(r).taken.store(r.number, std::memory_order_release); }

  // What was sent from a window or the staging area stays there: both outlive a failure.
  bool cancel(request& r) noexcept {
    node_.keep();
    return r.local >= 0 || messages_.cancel(r.message);
  }

  // Where every rank of the node can have a core, a wait spins for about a millisecond before it lets others have this
  // one, as MPI libraries do; else it does so at once.
  void idle() {
    if (++idles_ % patience_ != 0)
      spin_pause();
    else
      messages_.idle(node_size() < size());
  }

 private:
  struct cell {
    alignas(64) std::atomic<std::uint64_t> posted{0};
    std::uint64_t window = 0, offset = 0, bytes = 0;  // where the message lies in the sender's memory
    sharing how = sharing::none;
    alignas(64) std::atomic<std::uint64_t> taken{0};
  };
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  struct staged_message {
    std::size_t end = 0;
    const cell* at = nullptr;
    std::uint64_t number = 0;
  };

  static void spin_pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
  }

  std::size_t tags() const { return static_cast<std::size_t>(options_.buckets) + 1; }
  int place_of(int peer) const {
    return nodes().node_of(peer) == nodes().node_of(rank()) ? nodes().local_rank(peer) : -1;
  }
  std::size_t way(const request& r) const {
    return static_cast<std::size_t>(r.local) * tags() + static_cast<std::size_t>(r.tag);
  }

  // The cells of messages to a rank lie with their sender.
  cell& cell_at(std::size_t sender, std::size_t receiver, const request& r) const {
    const std::size_t at = (receiver * tags() + static_cast<std::size_t>(r.tag)) * view_window + r.number % view_window;
    return reinterpret_cast<cell*>(node_.base(0, sender))[at];
  }
  cell& outgoing(const request& r) const { return cell_at(node_.place(), static_cast<std::size_t>(r.local), r); }
  cell& incoming(const request& r) const { return cell_at(static_cast<std::size_t>(r.local), node_.place(), r); }

  bool sent(request& r) {
    return (r.posted || post(r)) && (r.copied || outgoing(r).taken.load(std::memory_order_acquire) >= r.number);
  }

  bool received(request& r) {
    const cell& c = incoming(r);
    if (c.posted.load(std::memory_order_acquire) != r.number) return false;
    if (c.bytes != r.bytes) {
      node_.keep();
      throw communication_error(rank(), r.peer,
                                "lengths differ: " + std::to_string(r.bytes) + " bytes here, " +
                                    std::to_string(c.bytes) + " at rank " + std::to_string(r.peer));
    }
    if (r.into != nullptr) std::memcpy(r.into, view(r), r.bytes);
    if (r.into != nullptr || r.bytes == 0) release(r);
    return true;
  }

  // False when the cell or the staging area is not free yet, or an earlier message waits for that.
  bool post(request& r) {
    if (posted_[way(r)] != r.number - 1) return false;
    cell& c = outgoing(r);
    if (r.number > view_window && c.taken.load(std::memory_order_acquire) < r.number - view_window) return false;
    const bool placed = r.how == sharing::placed;
    const std::size_t window = placed ? 0 : node_.find(r.from, r.bytes);
    const bool shared = window < node_.windows();
    if (placed) {
      r.copied = true;  // there is nothing that the receiver would read here
    } else if (!shared || r.bytes <= options_.eager_bytes) {
      if (std::byte* const place = stage(r.bytes, c, r.number)) {
        if (r.bytes > 0) std::memcpy(place, r.from, r.bytes);
        c.window = 0;
        c.offset = static_cast<std::uint64_t>(place - node_.base(0, node_.place()));
        r.copied = true;
        r.how = sharing::none;
      } else if (!shared) {
        return false;
      }
    }
    if (!r.copied) {
      c.window = window;
      c.offset = static_cast<std::uint64_t>(r.from - node_.base(window, node_.place()));
    }
    c.bytes = r.bytes;
    c.how = r.how;
    c.posted.store(r.number, std::memory_order_release);
    posted_[way(r)] = r.number;
    return r.posted = true;
  }

  // A place for a copy, or nullptr while receivers hold too much. Taken places are given back in order.
  std::byte* stage(std::size_t bytes, const cell& at, std::uint64_t number) {
    while (in_stage_ > 0) {
      const staged_message& oldest = staged_[first_staged_];
      if (oldest.at->taken.load(std::memory_order_acquire) < oldest.number) break;
      stage_tail_ = oldest.end;
      first_staged_ = (first_staged_ + 1) % staged_.size();
      --in_stage_;
    }
    const std::size_t room = (bytes + 63) / 64 * 64, space = options_.staging_bytes;
    if (room > space)
      throw usage_error("a message of " + std::to_string(bytes) +
                        " bytes lies outside the shared windows and is longer than their staging area of " +
                        std::to_string(space) + " bytes: use memory from `allocate`, or smaller segments");
    if (in_stage_ == 0) stage_head_ = stage_tail_ = 0;  // what was used last is in the cache
    if (in_stage_ == staged_.size()) return nullptr;
    std::size_t begin = stage_head_;
    if (in_stage_ == 0 || stage_head_ > stage_tail_) {  // free: [head, space) and [0, tail)
      if (begin + room > space) {
        if (room >= stage_tail_) return nullptr;
        begin = 0;
      }
    } else if (begin + room >= stage_tail_) {  // free: [head, tail)
      return nullptr;
    }
    stage_head_ = begin + room;
    staged_[(first_staged_ + in_stage_++) % staged_.size()] = {stage_head_, &at, number};
    return node_.base(0, node_.place()) + staging_at_ + begin;
  }

  messages messages_;
  transport_options options_;
  node_window node_;
  std::size_t staging_at_ = 0;
  std::vector<std::uint64_t> sent_, posted_, received_;  // counts, by peer and tag
  std::array<staged_message, 1024> staged_;              // a ring
  std::size_t first_staged_ = 0, in_stage_ = 0, stage_head_ = 0, stage_tail_ = 0;
  unsigned idles_ = 0, patience_ = node_size() <= sysconf(_SC_NPROCESSORS_ONLN) ? 1u << 15 : 1u;
};

}  // namespace firecaffe::mpi
