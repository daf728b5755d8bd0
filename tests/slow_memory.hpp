#pragma once

// A device's memory as transports and executors see one, made of the host's: sums are formed late, when they have been
// asked for some times, and the transport moves bytes without showing them to the receiver where they are.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "firecaffe/comm/local.hpp"

namespace test {

class slow_memory {
 public:
  static constexpr bool works_apart = true;
  using buffer = std::unique_ptr<std::byte[]>;

  explicit slow_memory(int rank = 0) : patience_(static_cast<unsigned>(rank) % 3 + 1) {}

  template <class T>
  buffer allocate(std::size_t bytes) {
    return bytes == 0 ? nullptr : buffer(new std::byte[bytes]);
  }
  template <class T>
  void add(T* into, const T* addend, std::size_t count) {
    waiting_.push_back([=] {
      for (std::size_t i = 0; i < count; ++i) into[i] += addend[i];
    });
  }
  template <class T>
  void copy(T* into, const T* from, std::size_t count) {
    waiting_.push_back([=] {
      for (std::size_t i = 0; i < count; ++i) into[i] = from[i];
    });
  }
  std::uint64_t asked() const { return done_ + waiting_.size(); }
  bool done(std::uint64_t number) {
    if (number > done_ && ++impatience_ > patience_) {
      impatience_ = 0;
      waiting_.front()();
      waiting_.pop_front();
      ++done_;
    }
    return number <= done_;
  }

 private:
  std::deque<std::function<void()>> waiting_;
  std::uint64_t done_ = 0;
  unsigned patience_, impatience_ = 0;
};

class device_transport {
 public:
  static constexpr std::string_view name = "device";
  static constexpr bool reaches_device_memory = true;
  static constexpr std::size_t segment_bytes = 1000;
  using memory_type = slow_memory;
  using request = firecaffe::local::transport::request;

  explicit device_transport(firecaffe::local::transport wire) : wire_(wire) {}
  int rank() const { return wire_.rank(); }
  int size() const { return wire_.size(); }
  int node_rank() const { return wire_.node_rank(); }
  int node_size() const { return wire_.node_size(); }
  int largest_tag() const { return wire_.largest_tag(); }
  slow_memory memory() const { return slow_memory(rank()); }
  request isend(int peer, int tag, const void* from, std::size_t bytes) { return wire_.isend(peer, tag, from, bytes); }
  request irecv(int peer, int tag, void* into, std::size_t bytes) { return wire_.irecv(peer, tag, into, bytes); }
  bool test(request& r) { return wire_.test(r); }
  bool cancel(request& r) noexcept { return wire_.cancel(r); }
  void idle() { wire_.idle(); }

 private:
  firecaffe::local::transport wire_;
};

}  // namespace test
