#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

#include "engine.hpp"
#include "firecaffe/core/error.hpp"

// The executor's policies for a simulated machine: a clock that reads simulated time, memory that is never touched, and
// arithmetic that takes its time on the simulated host and does nothing else.
namespace simulate {

struct clock {
  using duration = std::chrono::duration<double>;
  using time_point = std::chrono::time_point<clock, duration>;
  static time_point now() { return time_point(duration(simulated_seconds())); }
};

// All ranks' data and scratch are one range of addresses. Bodies of large messages are not copied by the simulated MPI
// (see engine.hpp), so that next to nothing of it becomes real memory.
class memory {
 public:
  struct not_owned {
    void operator()(std::byte*) const {}
  };
  using buffer = std::unique_ptr<std::byte[], not_owned>;

  // Reading and adding `add_rate` bytes of single-precision sums per second; 0: adding takes no time.
  explicit memory(double add_rate = 0) : add_rate_(add_rate) {}

  template <class T>
  static buffer allocate(std::size_t bytes) {
    if (bytes > address_range_bytes) throw firecaffe::usage_error("a buffer is larger than the simulated memory");
    return buffer(bytes == 0 ? nullptr : address_range());
  }

  template <class T>
  void add(T*, const T*, std::size_t count) const {
    pass(count * sizeof(T), add_rate_);
  }
  template <class T>
  void copy(T*, const T*, std::size_t count) const {
    pass(count * sizeof(T), add_rate_);
  }

  static void pass(std::size_t bytes, double rate) {
    if (rate > 0) compute(static_cast<double>(bytes) / rate);
  }

 private:
  double add_rate_;
};

// A codec of the library as far as the machine is concerned: its bytes, and the time of passes over the numbers at the
// rate of adding (`rate`, of the whole simulation).
template <class Codec>
struct coded {
  static constexpr std::string_view name = Codec::name;
  static constexpr bool lossy = Codec::lossy, feeds_back = false;
  static inline double rate = 0;

  static constexpr std::size_t bytes(std::size_t elements, std::size_t element_bytes) {
    return Codec::bytes(elements, element_bytes);
  }
  template <class T>
  static void encode(T*, std::size_t count, std::byte*, T*) {
    memory::pass(count * sizeof(T), rate);
  }
  template <class T>
  static void decode(const std::byte*, T*, std::size_t count) {
    memory::pass(count * sizeof(T), rate);
  }
  template <class T>
  static void decode_add(const std::byte*, T*, std::size_t count) {
    memory::pass(count * sizeof(T), rate);
  }
};

}  // namespace simulate
