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
//   nodes()     (optional) the node_map of all ranks; without it they count as on one node.
//   reserve(n)  (optional) from now on no more than n operations are under way at a time: isend and irecv then allocate
//               nothing.
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

// A transport by which a receiver reads some messages where their senders have them, so that nothing is copied to be
// added.
//   can_view(peer)  whether messages from that peer are read in place, and may be sent `view_window` at a time for each
//                   tag; both sides answer alike. irecv then ignores `into`.
//   view(r)         after test returned true: the message, until release(r). The sender's test says true after that, or
//                   as soon as the transport has a copy.
template <class T>
concept viewing_transport = transport<T> && requires(T t, const T c, typename T::request r) {
  { T::view_window } -> std::convertible_to<std::size_t>;
  { c.can_view(0) } -> std::same_as<bool>;
  { t.view(r) } -> std::same_as<const std::byte*>;
  t.release(r);
};

}  // namespace firecaffe
