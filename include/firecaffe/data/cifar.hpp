#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "gzip.hpp"
#include "image.hpp"

namespace firecaffe::data {

// What a record's label bytes are, and which of them to give: CIFAR-100 has a coarse one (20) and a fine one (100).
enum class cifar_labels { ten, coarse, fine };

struct cifar_options {
  cifar_labels labels = cifar_labels::ten;
  channel_order order = channel_order::rgb;
  float scale = 1;  // for samples read without a transform: scale * (byte - mean)
  float mean = 0;
};

// The binary version of CIFAR-10 or CIFAR-100 (A. Krizhevsky, "Learning multiple layers of features from tiny images",
// 2009), plain or gzip: records of one or two label bytes and 3 x 32 x 32 bytes, red plane first. Several files make
// one set, in the order given; they are kept in memory as bytes. A data set of (3, 32, 32) samples and an image source.
class cifar {
 public:
  using target = std::int32_t;
  struct scratch {};
  static constexpr int side = 32;
  static constexpr std::size_t pixels = 3 * side * side;

  // Throws file_error for files that are missing, no whole number of records, or have a label too high.
  explicit cifar(const std::vector<std::string>& paths, const cifar_options& o = {}) : options_(o) {
    if (paths.empty()) throw usage_error("data::cifar: no files");
    for (const std::string& path : paths) add(gzip_reader(path));
  }
  cifar(const cifar_options& o, gzip_reader&& file) : options_(o) { add(std::move(file)); }

  std::size_t size() const { return records_.size() / record_bytes(); }
  int channels() const { return 3; }
  int classes() const { return most_[static_cast<int>(options_.labels)]; }
  shape extents() const { return {.channels = 3, .height = side, .width = side}; }

  void read(std::size_t index, float* values, std::int32_t* label) const {
    const image_view v = view(index, label);
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < side * side; ++i)
        *values++ = options_.scale * (static_cast<float>(v.bytes[c * v.channel + i]) - options_.mean);
  }

  template <class Choose>
  image_view image(std::size_t index, int, Choose&& choose, scratch&, std::int32_t* label) const {
    return part_of(view(index, label), choose(side, side));
  }

 private:
  static constexpr int most_[] = {10, 20, 100};

  std::size_t label_bytes() const { return options_.labels == cifar_labels::ten ? 1 : 2; }
  std::size_t record_bytes() const { return label_bytes() + pixels; }

  image_view view(std::size_t index, std::int32_t* label) const {
    if (index >= size())
      throw usage_error("data::cifar: sample " + std::to_string(index) + " of " + std::to_string(size()));
    const std::uint8_t* record = records_.data() + index * record_bytes();
    *label = record[options_.labels == cifar_labels::fine ? 1 : 0];
    image_view v = planar_view(3, side, side);
    v.bytes = record + label_bytes();
    return options_.order == channel_order::bgr ? reversed_channels(v) : v;
  }

  void add(gzip_reader&& file) {
    const std::string where = file.compressed() ? " (offset after decompression)" : "";
    const std::size_t bytes = record_bytes(), before = records_.size();
    if (!file.compressed()) records_.reserve(before + static_cast<std::size_t>(file.file_bytes()));
    std::vector<std::uint8_t> part(256 * bytes);
    std::uint64_t offset = 0;
    for (;;) {
      const std::size_t got = file.read(part.data(), part.size());
      for (std::size_t at = 0; at < got; at += bytes) {
        if (got - at < bytes)
          throw file_error(file.path(), offset + got,
                           "truncated: expected records of " + std::to_string(bytes) + " bytes, the last one has " +
                               std::to_string(got - at) + where);
        for (std::size_t i = 0; i < label_bytes(); ++i) {
          const int most = options_.labels == cifar_labels::ten ? 10 : most_[1 + i];
          if (part[at + i] >= most)
            throw file_error(
                file.path(), offset + at + i,
                "label " + std::to_string(part[at + i]) + ", expected below " + std::to_string(most) + where);
        }
      }
      records_.insert(records_.end(), part.data(), part.data() + got);
      offset += got;
      if (got < part.size()) break;
    }
    if (offset == 0) throw file_error(file.path(), 0, "empty: expected records of " + std::to_string(bytes) + " bytes");
  }

  cifar_options options_;
  std::vector<std::uint8_t> records_;
};

// The files of a set as they are published, in `folder`: CIFAR-10's five training files or its test file, CIFAR-100's
// train.bin or test.bin. For the constructor.
inline std::vector<std::string> cifar_files(const std::string& folder, bool training, cifar_labels labels) {
  if (labels != cifar_labels::ten) return {folder + (training ? "/train.bin" : "/test.bin")};
  if (!training) return {folder + "/test_batch.bin"};
  std::vector<std::string> files;
  for (const char number : {'1', '2', '3', '4', '5'}) files.push_back(folder + "/data_batch_" + number + ".bin");
  return files;
}

}  // namespace firecaffe::data
