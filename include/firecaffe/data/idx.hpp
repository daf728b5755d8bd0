#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "gzip.hpp"

namespace firecaffe::data {

// The contents of an IDX file of unsigned bytes: two zero bytes, the type 0x08, the number of dimensions, each extent
// as four bytes (most significant first), then the elements, last dimension fastest.
// Described at the end of Y. LeCun's page "The MNIST database of handwritten digits".
struct idx_array {
  std::vector<std::uint32_t> extents;
  std::vector<std::uint8_t> elements;
  std::uint64_t header_bytes() const { return 4 + 4 * extents.size(); }
};

// Offsets in errors count decompressed bytes where the file is compressed, and say so.
inline file_error idx_error(const gzip_reader& file, std::uint64_t offset, const std::string& what) {
  return {file.path(), offset, what + (file.compressed() ? " (offset after decompression)" : "")};
}

// Reads an IDX file of `least` to `most` dimensions, all of it. Throws file_error for anything unexpected; nothing is
// allocated before the header's extents are known to fit what the file can hold.
inline idx_array read_idx(gzip_reader& file, int least, int most) {
  std::array<std::uint8_t, 4> word{};
  std::uint64_t offset = 0;
  const auto next_word = [&] {
    const std::size_t got = file.read(word.data(), word.size());
    if (got < word.size())
      throw idx_error(file, offset + got,
                      "truncated: the header ends here, " + std::to_string(4 - got) + " more bytes expected");
    offset += 4;
  };

  next_word();
  if (word[0] != 0 || word[1] != 0 || word[2] != 0x08) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string found;
    for (const unsigned byte : word) found += {' ', digits[byte / 16], digits[byte % 16]};
    throw idx_error(file, 0,
                    "expected an IDX file of unsigned bytes, 00 00 08 and the number of dimensions; found" + found);
  }
  const int dimensions = word[3];
  if (dimensions < least || dimensions > most)
    throw idx_error(file, 3,
                    "expected " + std::to_string(least) + (most > least ? " to " + std::to_string(most) : "") +
                        (most > 1 ? " dimensions (images)" : " dimension (labels)") + ", found " +
                        std::to_string(dimensions));

  idx_array array;
  const std::uint64_t room = file.most_bytes();
  std::uint64_t total = 1;
  std::string claim;
  for (int i = 0; i < dimensions; ++i) {
    next_word();
    const std::uint32_t extent = std::uint32_t{word[0]} << 24 | std::uint32_t{word[1]} << 16 |
                                 std::uint32_t{word[2]} << 8 | std::uint32_t{word[3]};
    claim += (i > 0 ? " x " : "") + std::to_string(extent);
    if (extent == 0) throw idx_error(file, offset - 4, "an extent of 0: " + claim);
    if (total > room / extent)
      throw idx_error(file, offset - 4,
                      "truncated: the header claims " + claim + " or more bytes, the file of " +
                          std::to_string(file.file_bytes()) + " bytes cannot hold them");
    total *= extent;
    array.extents.push_back(extent);
  }

  array.elements.resize(static_cast<std::size_t>(total));
  const std::size_t got = file.read(array.elements.data(), array.elements.size());
  if (got < total)
    throw idx_error(file, offset + got,
                    "truncated: the header claims " + claim + " bytes, found " + std::to_string(got));
  if (file.read(word.data(), 1) != 0)  // comes to the check sum, too
    throw idx_error(file, offset + total, "trailing bytes: the header claims no more than " + claim);
  return array;
}

// A value is scale * (byte - mean).
struct idx_options {
  float scale = 1.0f / 256;  // 0.00390625, as in Caffe's MNIST example: 255 becomes 0.99609375
  float mean = 0;
  int classes = 0;  // labels must be below it; 0: they are not checked
};

// The files of MNIST and the data sets made after it, plain or gzip: images (N, H, W) or (N, C, H, W) and labels (N).
// They are kept in memory as bytes and converted when a sample is read.
class idx {
 public:
  // `path` stands for `path`.gz where only that exists. Throws file_error for what is missing, malformed, truncated,
  // too long or does not fit together, usage_error for options that make no sense.
  idx(const std::string& images_path, const std::string& labels_path, const idx_options& o = {})
      : idx(gzip_reader(images_path), gzip_reader(labels_path), o) {}

  idx(gzip_reader&& images_file, gzip_reader&& labels_file, const idx_options& o = {}) : options_(o) {
    if (o.classes < 0) throw usage_error("data::idx: classes must not be negative");
    idx_array images = read_idx(images_file, 3, 4);
    std::uint64_t elements = 1;
    for (std::size_t i = 1; i < images.extents.size(); ++i) {
      if (images.extents[i] > std::numeric_limits<int>::max() / elements)
        throw idx_error(images_file, 4 + 4 * i, "an image has more elements than an int counts");
      elements *= images.extents[i];
    }
    const bool channels = images.extents.size() == 4;
    extents_.channels = channels ? static_cast<int>(images.extents[1]) : 1;
    extents_.height = static_cast<int>(images.extents[channels ? 2 : 1]);
    extents_.width = static_cast<int>(images.extents[channels ? 3 : 2]);

    idx_array labels = read_idx(labels_file, 1, 1);
    if (labels.extents[0] != images.extents[0])
      throw idx_error(labels_file, 4,
                      std::to_string(labels.extents[0]) + " labels, but " + std::to_string(images.extents[0]) +
                          " images in " + images_file.path());
    for (std::size_t i = 0; o.classes > 0 && i < labels.elements.size(); ++i)
      if (labels.elements[i] >= o.classes)
        throw idx_error(
            labels_file, labels.header_bytes() + i,
            "label " + std::to_string(labels.elements[i]) + ", expected below " + std::to_string(o.classes));
    images_ = std::move(images.elements);
    labels_ = std::move(labels.elements);
  }

  std::size_t size() const { return labels_.size(); }
  shape extents() const { return extents_; }

  void read(std::size_t index, float* values, std::int32_t* label) const {
    if (index >= size())
      throw usage_error("data::idx: sample " + std::to_string(index) + " of " + std::to_string(size()));
    const auto elements = static_cast<std::size_t>(extents_.elements());
    const std::uint8_t* bytes = images_.data() + index * elements;
    const float scale = options_.scale, mean = options_.mean;
    for (std::size_t i = 0; i < elements; ++i) values[i] = scale * (static_cast<float>(bytes[i]) - mean);
    *label = labels_[index];
  }

 private:
  idx_options options_;
  shape extents_;
  std::vector<std::uint8_t> images_, labels_;
};

}  // namespace firecaffe::data
