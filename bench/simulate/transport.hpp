#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "firecaffe/comm/mpi_messages.hpp"

namespace simulate {

// What a transport is made of: the ranks, and how many messages a rank sends at the same time (0: any number). One at a
// time is how blocking sends behave; otherwise the messages share the rank's link fairly.
struct endpoint {
  MPI_Comm comm;
  int sends_at_once = 0;
};

// The library's MPI transport, but for waiting. Every MPI_Test that finds nothing costs time, simulated and real, so
// requests are looked at only when something can have happened: `idle` blocks until one of this rank's messages is
// through, and `look`, for progress between two pieces of computation, finds out which are, without waiting.
class transport : public firecaffe::mpi::messages {
  using base = firecaffe::mpi::messages;

 public:
  using request = std::uint32_t;  // a place in posted_

  explicit transport(const endpoint& e) : base(e.comm), sends_at_once_(e.sends_at_once) {}

  request isend(int peer, int tag, const void* from, std::size_t bytes) {
    const request place = reserve();
    if (sends_at_once_ > 0 && sending_ >= sends_at_once_)
      queue_.push_back({place, peer, tag, from, bytes});
    else
      open(place, base::isend(peer, tag, from, bytes));
    return place;
  }

  request irecv(int peer, int tag, void* into, std::size_t bytes) {
    const request place = reserve();
    open(place, base::irecv(peer, tag, into, bytes));
    return place;
  }

  bool test(request r) {
    if (!posted_[r].complete) return false;
    free_.push_back(r);
    return true;
  }

  bool cancel(request r) noexcept { return posted_[r].complete || base::cancel(posted_[r].message); }

  void idle() {
    collect();
    int which = MPI_UNDEFINED;
    firecaffe::mpi::check(MPI_Waitany(static_cast<int>(handles_.size()), handles_.data(), &which, MPI_STATUS_IGNORE),
                          "MPI_Waitany", rank());
    if (which == MPI_UNDEFINED) throw firecaffe::communication_error(rank(), -1, "there is no message to wait for");
    complete(static_cast<std::size_t>(which));
  }

  void look() {
    while (!open_.empty()) {
      collect();
      int which = MPI_UNDEFINED, found = 0;
      firecaffe::mpi::check(
          MPI_Testany(static_cast<int>(handles_.size()), handles_.data(), &which, &found, MPI_STATUS_IGNORE),
          "MPI_Testany", rank());
      if (!found || which == MPI_UNDEFINED) return;
      complete(static_cast<std::size_t>(which));
    }
  }

 private:
  struct entry {
    base::request message;
    bool complete = false;
  };
  struct queued {
    request place;
    int peer, tag;
    const void* from;
    std::size_t bytes;
  };

  request reserve() {
    if (free_.empty()) {
      free_.push_back(static_cast<request>(posted_.size()));
      posted_.emplace_back();
    }
    const request place = free_.back();
    free_.pop_back();
    posted_[place] = {};
    return place;
  }

  void open(request place, const base::request& message) {
    posted_[place].message = message;
    sending_ += message.sends;
    open_.push_back(place);
  }

  void collect() {
    handles_.clear();
    for (const request r : open_) handles_.push_back(posted_[r].message.handle);
  }

  void complete(std::size_t nth) {
    entry& done = posted_[open_[nth]];
    done.complete = true;
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(nth));
    if (!done.message.sends) return;
    --sending_;
    if (queue_.empty()) return;
    const queued next = queue_.front();
    queue_.pop_front();
    open(next.place, base::isend(next.peer, next.tag, next.from, next.bytes));
  }

  int sends_at_once_, sending_ = 0;
  std::vector<entry> posted_;
  std::vector<request> open_, free_;  // not yet complete, in order of posting; places to use again
  std::deque<queued> queue_;
  std::vector<MPI_Request> handles_;
};

}  // namespace simulate
