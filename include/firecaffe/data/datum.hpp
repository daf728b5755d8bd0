#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "image.hpp"
#include "protobuf.hpp"

namespace firecaffe::data {

// Caffe's message Datum: channels 1, height 2, width 3, data 4, label 5, float_data 6, encoded 7.
struct datum {
  const std::uint8_t* bytes = nullptr;  // inside the message: (C, H, W), or a compressed image
  std::size_t size = 0;
  std::uint64_t offset = 0;  // of `bytes` in the message
  bool encoded = false;
  std::int32_t label = 0;
  image_view view;  // of a datum that is not encoded: its bytes, or its float_data
};

// Reads a Datum; float_data go to `floats`. Throws file_error for what is malformed, or whose extents are not those of
// its data.
inline datum parse_datum(const void* message, std::size_t size, const std::string& name, std::vector<float>& floats) {
  datum d;
  floats.clear();
  protobuf_reader r(static_cast<const char*>(message), size, name);
  std::int64_t extents[3] = {0, 0, 0};
  while (r.next([](std::uint32_t tag) { return tag >= 1 && tag <= 7; })) {
    switch (r.tag()) {
      case 4: {
        const protozero::data_view v = r.bytes();
        d.bytes = reinterpret_cast<const std::uint8_t*>(v.data());
        d.size = v.size();
        d.offset = r.position() - v.size();
        break;
      }
      case 5: {
        const std::int64_t label = r.integer();
        if (label < std::numeric_limits<std::int32_t>::min() || label > std::numeric_limits<std::int32_t>::max())
          r.refuse("a label that is no int32");
        d.label = static_cast<std::int32_t>(label);
        break;
      }
      case 6:
        r.floats(floats);
        break;
      case 7:
        d.encoded = r.integer() != 0;
        break;
      default: {
        const std::uint32_t which = r.tag() - 1;
        extents[which] = r.integer();
        if (extents[which] < 0 || extents[which] > std::numeric_limits<std::int32_t>::max())
          r.refuse("an extent that is negative or no int32");
      }
    }
  }
  if (d.encoded) {
    if (d.size == 0) r.refuse("an encoded image without data");
    return d;
  }
  const std::uint64_t there = d.size > 0 ? d.size : floats.size();
  const auto [c, h, w] = extents;
  const std::string claim = std::to_string(c) + " x " + std::to_string(h) + " x " + std::to_string(w);
  if (c < 1 || h < 1 || w < 1) r.refuse("extents must be at least 1: " + claim);
  if (static_cast<std::uint64_t>(h) * static_cast<std::uint64_t>(w) > there ||
      static_cast<std::uint64_t>(h) * static_cast<std::uint64_t>(w) * static_cast<std::uint64_t>(c) != there)
    r.refuse("claims " + claim + " elements, has " + std::to_string(there));
  d.view = planar_view(static_cast<int>(c), static_cast<int>(h), static_cast<int>(w));
  if (d.size > 0)
    d.view.bytes = d.bytes;
  else
    d.view.floats = floats.data();
  return d;
}

}  // namespace firecaffe::data
