#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "transport.hpp"

namespace firecaffe::local {

// Ranks as threads of one process. A message is one copy, made by whichever side comes second, or none where the
// receiver views it.
class world {
 public:
  class endpoint;

  explicit world(int ranks) : desks_(ranks < 1 ? throw usage_error("a world needs a rank") : std::size_t(ranks)) {}
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  int size() const { return static_cast<int>(desks_.size()); }

  // For the thread of that rank alone. The world must outlive it.
  endpoint transport(int rank);

  // Declares that a rank is gone: every rank that waits, for whomever, throws. The first reason is kept.
  void fail(int rank, std::exception_ptr reason = nullptr) {
    const std::lock_guard lock(failure_);
    if (failed_.load() >= 0) return;
    reason_ = std::move(reason);
    failed_.store(rank);
  }

  // Throws what the first failing rank threw, if one did.
  void rethrow() const {
    const std::lock_guard lock(failure_);
    if (reason_) std::rethrow_exception(reason_);
  }

 private:
  enum class phase : unsigned char { waiting, copying, lent, done, mismatched };

  struct operation {
    std::atomic<phase> state{phase::waiting};
    bool sends = false;
    int peer = 0;  // the other side
    int owner = 0;
    int tag = 0;
    std::byte* into = nullptr;  // a receive: null where it views
    const std::byte* from = nullptr;
    std::size_t bytes = 0;
    operation* lender = nullptr;  // a receive that views: the send
    sharing how = sharing::none;
    operation* next = nullptr;
  };

  // What has been asked of a rank, or by it, and not yet met its other half. Sends lie at the receiver's desk.
  struct desk {
    std::mutex guard;
    operation* first = nullptr;  // in order of arrival
    operation** last = &first;
    // Touched by the owner only:
    std::deque<operation> pool;
    operation* free = nullptr;
  };

  std::vector<desk> desks_;
  mutable std::mutex failure_;
  std::exception_ptr reason_;
  std::atomic<int> failed_{-1};
};

class world::endpoint {
 public:
  static constexpr std::string_view name = "local";
  static constexpr bool reaches_device_memory = false;
  static constexpr std::size_t view_window = 8;
  using request = operation*;

  endpoint(world& all, int rank) : world_(&all), rank_(rank) {
    if (rank < 0 || rank >= all.size()) throw usage_error("there is no rank " + std::to_string(rank));
  }

  int rank() const { return rank_; }
  int size() const { return world_->size(); }
  int node_rank() const { return rank_; }
  int node_size() const { return world_->size(); }
  int largest_tag() const { return 0x7fffffff; }

  bool can_view(int) const { return true; }
  const std::byte* view(const request& op) const { return op->from; }
  sharing sharing_of(const request& op) const { return op->lender == nullptr ? sharing::none : op->lender->how; }
  void release(request& op) {
    op->lender->state.store(phase::done, std::memory_order_release);
    give_back(op);
  }

  void reserve(std::size_t operations) {
    desk& mine = world_->desks_[static_cast<std::size_t>(rank_)];
    while (mine.pool.size() < operations) {
      mine.pool.emplace_back().next = mine.free;
      mine.free = &mine.pool.back();
    }
  }

  request isend(int peer, int tag, const void* from, std::size_t bytes, sharing how = sharing::none) {
    operation* const op = take(true, peer, tag, bytes);
    op->how = how;
    op->from = static_cast<const std::byte*>(from);
    meet(op);
    return op;
  }

  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    operation* const op = take(false, peer, tag, bytes);
    op->into = static_cast<std::byte*>(into);
    meet(op);
    return op;
  }

  bool test(request& op) {
    const phase state = op->state.load(std::memory_order_acquire);
    if (state == phase::done) {
      if (op->lender == nullptr) give_back(op);
      return true;
    }
    const int peer = op->peer;
    if (state == phase::mismatched) {
      const std::string what = "lengths differ: " + std::to_string(op->bytes) + " bytes here";
      give_back(op);
      throw communication_error(rank_, peer, what + ", another number at rank " + std::to_string(peer));
    }
    const int failed = world_->failed_.load(std::memory_order_relaxed);
    if (failed < 0) return false;
    throw communication_error(
        rank_, failed,
        "rank " + std::to_string(failed) + " failed while this rank waited for rank " + std::to_string(peer));
  }

  bool cancel(request& op) noexcept {
    if (op == nullptr) return true;
    desk& place = desk_of(*op);
    {
      const std::lock_guard lock(place.guard);
      for (operation** link = &place.first; *link != nullptr; link = &(*link)->next)
        if (*link == op) {
          unlink(place, link);
          op->state.store(phase::done, std::memory_order_relaxed);
          break;
        }
    }
    // If it was not there, the other side is copying, or has copied, or looks at it.
    const auto start = std::chrono::steady_clock::now();
    for (phase now; (now = op->state.load(std::memory_order_acquire)) == phase::copying || now == phase::lent;) {
      if (now == phase::lent && std::chrono::steady_clock::now() - start > std::chrono::seconds(1)) return false;
      std::this_thread::yield();
    }
    if (op->lender != nullptr)
      release(op);
    else
      give_back(op);
    return true;
  }

  void idle() { std::this_thread::yield(); }

 private:
  desk& desk_of(const operation& op) { return world_->desks_[static_cast<std::size_t>(op.sends ? op.peer : op.owner)]; }

  static void unlink(desk& place, operation** link) {
    operation* const op = *link;
    *link = op->next;
    if (place.last == &op->next) place.last = link;
    op->next = nullptr;
  }

  operation* take(bool sends, int peer, int tag, std::size_t bytes) {
    if (peer < 0 || peer >= size()) throw usage_error("there is no rank " + std::to_string(peer));
    desk& mine = world_->desks_[static_cast<std::size_t>(rank_)];
    operation* op = mine.free;
    if (op != nullptr)
      mine.free = op->next;
    else
      op = &mine.pool.emplace_back();
    op->state.store(phase::waiting, std::memory_order_relaxed);
    op->sends = sends;
    op->peer = peer;
    op->owner = rank_;
    op->tag = tag;
    op->bytes = bytes;
    op->lender = op->next = nullptr;
    return op;
  }

  void give_back(request& op) {
    desk& mine = world_->desks_[static_cast<std::size_t>(rank_)];
    op->next = mine.free;
    mine.free = op;
    op = nullptr;
  }

  // Finds the other half of the message, or leaves this one to be found.
  void meet(operation* op) {
    desk& place = desk_of(*op);
    operation* other = nullptr;
    {
      const std::lock_guard lock(place.guard);
      operation** link = &place.first;
      while (*link != nullptr && ((*link)->sends == op->sends || (*link)->owner != op->peer ||
                                  (*link)->peer != op->owner || (*link)->tag != op->tag))
        link = &(*link)->next;
      if (*link == nullptr) {
        *place.last = op;
        place.last = &op->next;
        return;
      }
      other = *link;
      unlink(place, link);
      other->state.store(phase::copying, std::memory_order_relaxed);
    }
    const bool fits = op->bytes == other->bytes;
    operation *const sender = op->sends ? op : other, *const receiver = op->sends ? other : op;
    if (fits && receiver->into == nullptr && op->bytes > 0) {
      receiver->from = sender->from;
      receiver->lender = sender;
      sender->state.store(phase::lent, std::memory_order_relaxed);
      receiver->state.store(phase::done, std::memory_order_release);
      return;
    }
    if (fits && op->bytes > 0) std::memcpy(receiver->into, sender->from, op->bytes);
    const phase result = fits ? phase::done : phase::mismatched;
    op->state.store(result, std::memory_order_release);
    other->state.store(result, std::memory_order_release);
  }

  world* world_;
  int rank_;
};

using transport = world::endpoint;

inline world::endpoint world::transport(int rank) { return endpoint(*this, rank); }

// Runs body(transport) for every rank, each in a thread of its own, and returns when all have ended. When a rank
// throws, the others' waits throw communication_error with that rank as the peer, and the first exception is rethrown.
template <class Body>
void run(int ranks, Body&& body) {
  world all{ranks};
  {
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(ranks));
    const auto rank_main = [&all, &body](int rank) {
      try {
        body(all.transport(rank));
      } catch (...) {
        all.fail(rank, std::current_exception());
      }
    };
    try {
      for (int rank = 0; rank < ranks; ++rank) threads.emplace_back(rank_main, rank);
    } catch (...) {  // no more threads: those that run must not wait for the rest
      all.fail(static_cast<int>(threads.size()), std::current_exception());
    }
  }
  all.rethrow();
}

}  // namespace firecaffe::local
