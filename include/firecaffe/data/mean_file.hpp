#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "file_table.hpp"
#include "protobuf.hpp"
#include "transform.hpp"

namespace firecaffe::data {

// A mean image out of Caffe's message BlobProto: num 1, channels 2, height 3, width 4, data 5, double_data 8, or shape
// 7 (dim 1) for the four extents. `name` is what errors call the file.
inline mean_image parse_mean(const void* message, std::size_t size, const std::string& name) {
  mean_image mean;
  std::int64_t old[4] = {1, 0, 0, 0};
  std::vector<std::int64_t> extents;
  protobuf_reader r(static_cast<const char*>(message), size, name);
  while (r.next([](std::uint32_t tag) { return (tag >= 1 && tag <= 5) || tag == 7 || tag == 8; })) {
    if (r.tag() == 5) {
      r.floats(mean.values);
    } else if (r.tag() == 8) {
      r.doubles(mean.values);
    } else if (r.tag() == 7) {
      protobuf_reader inner = r.message();
      while (inner.next([](std::uint32_t tag) { return tag == 1; })) inner.integers(extents);
    } else {
      const std::uint32_t which = r.tag() - 1;
      old[which] = r.integer();
    }
  }
  if (extents.empty()) extents.assign(old, old + 4);
  while (extents.size() > 3 && extents.front() == 1) extents.erase(extents.begin());
  std::string claim;
  for (const std::int64_t e : extents) claim += (claim.empty() ? "" : " x ") + std::to_string(e);
  if (extents.size() != 3) r.refuse("expected one image (1 x C x H x W), found extents " + claim);
  std::uint64_t total = 1;
  for (const std::int64_t e : extents) {
    if (e < 1 || static_cast<std::uint64_t>(e) > mean.values.size() / total)
      r.refuse("claims " + claim + " values, has " + std::to_string(mean.values.size()));
    total *= static_cast<std::uint64_t>(e);
  }
  if (total != mean.values.size()) r.refuse("claims " + claim + " values, has " + std::to_string(mean.values.size()));
  if (total > 0x7fffffff) r.refuse("more values than an int counts");
  mean.extents = {static_cast<int>(extents[0]), static_cast<int>(extents[1]), static_cast<int>(extents[2])};
  return mean;
}

// The mean image in a file that Caffe's compute_image_mean made (.binaryproto). Its channels are in the order that the
// images had: b, g, r where Caffe decoded them. Throws file_error.
inline mean_image read_mean_file(const std::string& path) {
  std::vector<std::uint8_t> content;
  const std::size_t bytes = read_whole(path, std::uint64_t{1} << 31, content);
  return parse_mean(content.data(), bytes, path);
}

}  // namespace firecaffe::data
