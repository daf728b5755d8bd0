#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

namespace firecaffe {

// Where arriving addends wait, and how they are added: the policy for buffers in a host's memory.
struct host_memory {
  using buffer = std::unique_ptr<std::byte[]>;

  static buffer allocate(std::size_t bytes) { return bytes == 0 ? nullptr : buffer(new std::byte[bytes]); }

  template <class T>
  static void add(T* into, const T* addend, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) into[i] += addend[i];
  }
  template <class T>
  static void copy(T* into, const T* from, std::size_t count) {
    std::copy_n(from, count, into);
  }
};

// What an executor does with elements whose type it has forgotten.
template <class Memory>
struct element_verbs {
  void (*add)(Memory&, std::byte* into, const std::byte* addend, std::size_t count);
  void (*copy)(Memory&, std::byte* into, const std::byte* from, std::size_t count);
  void (*encode)(std::byte* values, std::size_t count, std::byte* message, std::byte* lost);
  void (*decode)(const std::byte* message, std::byte* into, std::size_t count);
  void (*decode_add)(const std::byte* message, std::byte* into, std::size_t count);
  void (*feed)(std::byte* values, std::byte* lost, std::size_t count);  // into the values, leaving zeros
};

template <class T, class Codec, class Memory>
constexpr element_verbs<Memory> verbs_for{
    [](Memory& memory, std::byte* into, const std::byte* addend, std::size_t count) {
      memory.add(reinterpret_cast<T*>(into), reinterpret_cast<const T*>(addend), count);
    },
    [](Memory& memory, std::byte* into, const std::byte* from, std::size_t count) {
      memory.copy(reinterpret_cast<T*>(into), reinterpret_cast<const T*>(from), count);
    },
    [](std::byte* values, std::size_t count, std::byte* message, std::byte* lost) {
      Codec::encode(reinterpret_cast<T*>(values), count, message, reinterpret_cast<T*>(lost));
    },
    [](const std::byte* message, std::byte* into, std::size_t count) {
      Codec::decode(message, reinterpret_cast<T*>(into), count);
    },
    [](const std::byte* message, std::byte* into, std::size_t count) {
      Codec::decode_add(message, reinterpret_cast<T*>(into), count);
    },
    [](std::byte* values, std::byte* lost, std::size_t count) {
      T *const v = reinterpret_cast<T*>(values), *const l = reinterpret_cast<T*>(lost);
      for (std::size_t i = 0; i < count; ++i) v[i] += l[i], l[i] = 0;
    }};

}  // namespace firecaffe
