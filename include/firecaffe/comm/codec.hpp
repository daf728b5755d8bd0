#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "half_codec.hpp"
#include "int8_codec.hpp"

namespace firecaffe {

// How numbers travel: the policy of a communicator for what its messages hold. All functions are static.
//   bytes(elements, element_bytes)  the length of a message, exactly
//   encode(values, n, out, residual)  writes the message and puts into `values` what its receivers will decode, so that
//                  both ends hold the same bits. What was lost, value - decoded, is added to `residual` unless that is
//                  null or the loss is not finite.
//   decode(in, out, n), decode_add(in, into, n)  from a message, replacing or adding
// Encoding decoded values again gives the same message and loses nothing, so that what is passed on from rank to rank
// stays the same. Where blocks are coded (int8), messages must begin at multiples of 64 elements for that.
//   lossy       whether decoded values may differ
//   feeds_back  whether what a rank's messages lost is to be added to its next gradient
// Messages need no alignment. Float and double have the same messages (raw excepted). Bytes are in the machine's order.
template <class C>
concept codec = requires(float* singles, double* doubles, const std::byte* in, std::byte* out, std::size_t n) {
  { C::name } -> std::convertible_to<std::string_view>;
  { C::lossy } -> std::convertible_to<bool>;
  { C::feeds_back } -> std::convertible_to<bool>;
  { C::bytes(n, n) } -> std::same_as<std::size_t>;
  C::encode(singles, n, out, singles);
  C::encode(doubles, n, out, doubles);
  C::decode(in, singles, n);
  C::decode(in, doubles, n);
  C::decode_add(in, singles, n);
  C::decode_add(in, doubles, n);
};

// The numbers themselves.
struct raw {
  static constexpr std::string_view name = "raw";
  static constexpr bool lossy = false, feeds_back = false;

  static constexpr std::size_t bytes(std::size_t elements, std::size_t element_bytes = sizeof(float)) {
    return elements * element_bytes;
  }

  template <std::floating_point T>
  static void encode(T* values, std::size_t n, std::byte* out, T* = nullptr) {
    if (n > 0) std::memcpy(out, values, n * sizeof(T));
  }

  template <std::floating_point T>
  static void decode(const std::byte* in, T* out, std::size_t n) {
    if (n > 0) std::memcpy(out, in, n * sizeof(T));
  }

  template <std::floating_point T>
  static void decode_add(const std::byte* in, T* into, std::size_t n) {
    T addends[64];
    for (; n >= 64; n -= 64, into += 64, in += sizeof addends) {
      std::memcpy(addends, in, sizeof addends);
      for (std::size_t i = 0; i < 64; ++i) into[i] += addends[i];
    }
    if (n > 0) std::memcpy(addends, in, n * sizeof(T));
    for (std::size_t i = 0; i < n; ++i) into[i] += addends[i];
  }
};

// A lossy codec whose losses each rank keeps and adds to its next gradient, so that they are late rather than lost
// (1-bit SGD, Seide et al., Interspeech 2014).
template <codec Codec>
struct error_feedback : Codec {
  static_assert(Codec::lossy, "error feedback is for codecs that lose something");
  static_assert(!Codec::feeds_back, "error feedback given twice");
  static constexpr bool feeds_back = true;

 private:
  static constexpr std::string_view before = "error_feedback<";
  static constexpr auto text = [] {
    std::array<char, before.size() + Codec::name.size() + 1> result{};
    std::copy(Codec::name.begin(), Codec::name.end(), std::copy(before.begin(), before.end(), result.begin()));
    result.back() = '>';
    return result;
  }();

 public:
  static constexpr std::string_view name{text.data(), text.size()};
};

}  // namespace firecaffe
