#pragma once

// Caffe's messages, written with protozero's writer.
#include <cstdint>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <vector>

using bytes = std::vector<std::uint8_t>;

struct datum_fields {
  int channels = 0, height = 0, width = 0;
  bytes data{};
  int label = 0;
  std::vector<float> floats{};
  bool encoded = false, packed = true;
};

inline std::string write_datum(const datum_fields& d) {
  std::string out;
  protozero::pbf_writer w(out);
  if (d.channels != 0) w.add_int32(1, d.channels);
  if (d.height != 0) w.add_int32(2, d.height);
  if (d.width != 0) w.add_int32(3, d.width);
  if (!d.data.empty()) w.add_bytes(4, reinterpret_cast<const char*>(d.data.data()), d.data.size());
  w.add_int32(5, d.label);
  if (d.packed)
    w.add_packed_float(6, d.floats.begin(), d.floats.end());
  else
    for (const float f : d.floats) w.add_float(6, f);
  if (d.encoded) w.add_bool(7, true);
  w.add_string(99, "a field of the future");
  return out;
}

// BlobProto, its extents in the old way (num, channels, height, width) or the new one.
inline std::string write_mean(const std::vector<std::int64_t>& extents, const std::vector<float>& values, bool old,
                              bool doubles = false, bool packed = true) {
  std::string out;
  protozero::pbf_writer w(out);
  if (old)
    for (std::size_t i = 0; i < extents.size(); ++i)
      w.add_int32(static_cast<protozero::pbf_tag_type>(i + 1), static_cast<std::int32_t>(extents[i]));
  if (doubles) {
    w.add_packed_double(8, values.begin(), values.end());
  } else if (packed) {
    w.add_packed_float(5, values.begin(), values.end());
  } else {
    for (const float f : values) w.add_float(5, f);
  }
  w.add_packed_float(6, values.begin(), values.end());  // diff, which nobody wants
  if (!old) {
    std::string inner;
    protozero::pbf_writer(inner).add_packed_int64(1, extents.begin(), extents.end());
    w.add_message(7, inner);
  }
  return out;
}
