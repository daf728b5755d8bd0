#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>

namespace firecaffe {

// What the executor asks of a way to move bytes between ranks. Calls come from one thread per rank.
//
// Messages match by (sender, receiver, tag), in the order in which they were posted. A buffer belongs to the transport
// from isend or irecv until `test` returned true or `cancel` returned. All but `cancel` may throw communication_error.
//   test    true when the operation is complete; the request is then spent. A received message that is longer or
//           shorter than asked for is an error.
//   cancel  gives up an operation after a failure, without waiting for the peer. False when the buffer could not be
//           taken back, so that its memory must not be freed.
//   idle    called while waiting with nothing to do: yields the core (or advances a simulated clock).
//   node_rank, node_size  this rank's place among the ranks of its node, to divide the node's cores.
template <class T>
concept transport = requires(T t, const T c, typename T::request r, void* into, const void* from, std::size_t bytes) {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::reaches_device_memory } -> std::convertible_to<bool>;
  { c.rank() } -> std::same_as<int>;
  { c.size() } -> std::same_as<int>;
  { c.node_rank() } -> std::same_as<int>;
  { c.node_size() } -> std::same_as<int>;
  { c.largest_tag() } -> std::same_as<int>;
  { t.isend(0, 0, from, bytes) } -> std::same_as<typename T::request>;
  { t.irecv(0, 0, into, bytes) } -> std::same_as<typename T::request>;
  { t.test(r) } -> std::same_as<bool>;
  { t.cancel(r) }
  noexcept->std::same_as<bool>;
  t.idle();
};

}  // namespace firecaffe
