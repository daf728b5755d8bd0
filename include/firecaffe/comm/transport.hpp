#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "element_verbs.hpp"

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
//   reaches_device_memory
//           whether buffers may lie in a device's memory. Such a transport says how they are added there: memory_type,
//           and memory(), one of this rank's (see element_verbs.hpp). Else they are the host's.
//   segment_bytes  (optional) what a communicator cuts data into that is made without options
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

template <class Transport>
struct memory_of_transport {
  using type = host_memory;
};
template <class Transport>
requires(Transport::reaches_device_memory) struct memory_of_transport<Transport> {
  using type = typename Transport::memory_type;
};
template <class Transport>
using memory_of = typename memory_of_transport<Transport>::type;

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

// What a message means for the memory of its two ends, where the one can write into the other's.
//   lent    the receiver may write where it reads the message, until it sends something back
//   placed  the receiver has the bytes already: the sender wrote them into what it was lent
enum class sharing : std::uint8_t { none, lent, placed };

// A viewing transport whose messages tell so.
//   isend(peer, tag, from, bytes, how)  a placed message needs no `from`
//   sharing_of(r)   after test returned true for a receive, until release(r). What the transport had to copy is not
//   lent.
template <class T>
concept lending_transport = viewing_transport<T> && requires(T t, const T c, typename T::request r, const void* from) {
  { t.isend(0, 0, from, std::size_t{}, sharing::lent) } -> std::same_as<typename T::request>;
  { c.sharing_of(r) } -> std::same_as<sharing>;
};

}  // namespace firecaffe
