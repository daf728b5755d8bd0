#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "decode.hpp"
#include "file_table.hpp"

namespace firecaffe::data {

// JPEG and PNG files with a label each: an image source. Files are read when they are wanted; only their names are
// kept. See folder.hpp and list.hpp for where the names come from.
class image_files {
 public:
  using target = std::int32_t;
  struct scratch {
    std::string path;
    std::vector<std::uint8_t> file;
    image_decoder decoder;
  };
  static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;  // of one file

  // Names are relative to `root`, where they do not begin with a slash. Throws usage_error for options that make no
  // sense.
  image_files(std::string root, file_table files, const image_options& o = {})
      : root_(std::move(root)), files_(std::move(files)), options_(o) {
    check(o);
    if (!root_.empty() && root_.back() != '/') root_ += '/';
  }

  std::size_t size() const { return files_.size(); }
  int channels() const { return options_.channels; }
  const file_table& files() const { return files_; }

  template <class Choose>
  image_view image(std::size_t index, int, Choose&& choose, scratch& s, std::int32_t* label) const {
    if (index >= size())
      throw usage_error("data::image_files: image " + std::to_string(index) + " of " + std::to_string(size()));
    const std::string_view name = files_.name(index);
    s.path.clear();
    if (name[0] != '/') s.path += root_;
    s.path += name;
    const std::size_t bytes = read_whole(s.path, most_bytes, s.file);
    *label = files_.label(index);
    return s.decoder.decode(s.file.data(), bytes, s.path, options_, choose);
  }

 private:
  std::string root_;
  file_table files_;
  image_options options_;
};

}  // namespace firecaffe::data
