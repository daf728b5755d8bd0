#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace firecaffe {

// The communicator of a process that trains by itself: sums over one rank, communicates nothing.
struct alone {
  static constexpr int rank() { return 0; }
  static constexpr int size() { return 1; }
  static constexpr int node_rank() { return 0; }
  static constexpr int node_size() { return 1; }
  static std::string name() { return "alone"; }

  template <std::floating_point T>
  void prepare(int, std::size_t, bool = false) {}
  template <std::floating_point T>
  void start(int, std::span<T>) {}
  static constexpr bool progress() { return true; }
  static constexpr bool finished(int) { return true; }
  void wait(int) {}
  void wait_all() {}
  void sum(std::span<double>) {}
  void agree(std::uint64_t, std::string_view) {}

  static constexpr std::uint64_t bytes_sent(int, int, std::size_t, std::size_t) { return 0; }
};

}  // namespace firecaffe
