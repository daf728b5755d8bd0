#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace firecaffe {

// What a trainer asks of its communicator; communicator.hpp says what each call does. One that has a true
// `reaches_device_memory` is given single-precision numbers where the trainer's device has them, others on the host.
template <class C>
concept gradient_communicator = requires(C c, const C k, int bucket, std::size_t count, std::span<float> singles,
                                         std::span<double> doubles, std::uint64_t hash, std::string_view text) {
  { k.rank() } -> std::same_as<int>;
  { k.size() } -> std::same_as<int>;
  { k.node_rank() } -> std::same_as<int>;
  { k.node_size() } -> std::same_as<int>;
  { C::name() } -> std::same_as<std::string>;
  c.template prepare<float>(bucket, count);
  c.template prepare<double>(bucket, count, true);
  c.start(bucket, singles);
  c.start(bucket, doubles);
  { c.progress() } -> std::same_as<bool>;
  { k.finished(bucket) } -> std::same_as<bool>;
  c.wait(bucket);
  c.wait_all();
  c.sum(doubles);
  c.agree(hash, text);
};

// The least that a rank must send on average to sum over `ranks`: 2 (p - 1) / p times the data, rounded down.
constexpr std::uint64_t least_bytes_sent(int ranks, std::size_t elements, std::size_t element_bytes) {
  const auto p = static_cast<std::uint64_t>(ranks);
  return 2 * (p - 1) * (std::uint64_t{elements} * element_bytes) / p;
}

template <class C>
constexpr bool sums_on_device = false;
template <class C>
requires(C::reaches_device_memory) constexpr bool sums_on_device<C> = true;

}  // namespace firecaffe
