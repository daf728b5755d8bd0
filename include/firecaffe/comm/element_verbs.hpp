#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

namespace firecaffe {

// Where arriving addends wait, and how they are added: the policy for buffers in a host's memory. Another has the same
// calls. One whose device adds on its own says that it does by
//   static constexpr bool works_apart = true
//   memory.asked()       the number of the work that it was asked for last, a std::uint64_t
//   memory.done(number)  whether that is done: what it changed may be sent then, and what it read be written to
struct host_memory {
  using buffer = std::unique_ptr<std::byte[]>;

  template <class T>  // for elements of T
  static buffer allocate(std::size_t bytes) {
    return bytes == 0 ? nullptr : buffer(new std::byte[bytes]);
  }

  // In blocks of a constant length, which compilers vectorise even at -O2. The two never overlap.
  template <class T>
  static void add(T* __restrict into, const T* __restrict addend, std::size_t count) {
    constexpr std::size_t block = 64;
    for (; count >= block; count -= block, into += block, addend += block)
      for (std::size_t i = 0; i < block; ++i) into[i] += addend[i];
    for (std::size_t i = 0; i < count; ++i) into[i] += addend[i];
  }
  template <class T>
  static void copy(T* into, const T* from, std::size_t count) {
    std::copy_n(from, count, into);
  }
};

template <class Memory>
constexpr bool works_apart = false;
template <class Memory>
requires(Memory::works_apart) constexpr bool works_apart<Memory> = true;

// What an executor does with elements whose type it has forgotten.
template <class Memory>
struct element_verbs {
  std::size_t element_bytes;
  typename Memory::buffer (*allocate)(Memory&, std::size_t bytes);
  void (*add)(Memory&, std::byte* into, const std::byte* addend, std::size_t count);
  void (*copy)(Memory&, std::byte* into, const std::byte* from, std::size_t count);
  // Of lossy codecs:
  void (*encode)(std::byte* values, std::size_t count, std::byte* message, std::byte* lost) = nullptr;
  void (*decode)(const std::byte* message, std::byte* into, std::size_t count) = nullptr;
  void (*decode_add)(const std::byte* message, std::byte* into, std::size_t count) = nullptr;
  void (*feed)(std::byte* values, std::byte* lost, std::size_t count) = nullptr;  // into the values, leaving zeros
};

template <class T, class Codec, class Memory>
constexpr element_verbs<Memory> make_verbs() {
  element_verbs<Memory> verbs{sizeof(T), [](Memory& memory, std::size_t n) { return memory.template allocate<T>(n); },
                              [](Memory& memory, std::byte* into, const std::byte* addend, std::size_t count) {
                                memory.add(reinterpret_cast<T*>(into), reinterpret_cast<const T*>(addend), count);
                              },
                              [](Memory& memory, std::byte* into, const std::byte* from, std::size_t count) {
                                memory.copy(reinterpret_cast<T*>(into), reinterpret_cast<const T*>(from), count);
                              }};
  if constexpr (Codec::lossy) {
    verbs.encode = [](std::byte* values, std::size_t count, std::byte* message, std::byte* lost) {
      Codec::encode(reinterpret_cast<T*>(values), count, message, reinterpret_cast<T*>(lost));
    };
    verbs.decode = [](const std::byte* message, std::byte* into, std::size_t count) {
      Codec::decode(message, reinterpret_cast<T*>(into), count);
    };
    verbs.decode_add = [](const std::byte* message, std::byte* into, std::size_t count) {
      Codec::decode_add(message, reinterpret_cast<T*>(into), count);
    };
    verbs.feed = [](std::byte* values, std::byte* lost, std::size_t count) {
      T *const v = reinterpret_cast<T*>(values), *const l = reinterpret_cast<T*>(lost);
      for (std::size_t i = 0; i < count; ++i) v[i] += l[i], l[i] = 0;
    };
  }
  return verbs;
}

template <class T, class Codec, class Memory>
constexpr element_verbs<Memory> verbs_for = make_verbs<T, Codec, Memory>();

}  // namespace firecaffe
