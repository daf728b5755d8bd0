#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image_files.hpp"

namespace firecaffe::data {

// Images named in a text file, `path label` on each line, as Caffe's convert_imageset and ImageData layer take it.
struct list : image_files {
  // Paths are relative to the folder `root`; empty: to the current one. With `classes` > 0 labels must be below it.
  // Throws file_error for a list that cannot be read (see parse_list).
  explicit list(const std::string& path, const std::string& root = "", const image_options& o = {}, int classes = 0)
      : image_files(root, read(path, classes), o) {}

 private:
  static file_table read(const std::string& path, int classes) {
    std::vector<std::uint8_t> content;
    const std::size_t bytes = read_whole(path, std::uint64_t{1} << 32, content);
    return parse_list(path, std::string_view(reinterpret_cast<const char*>(content.data()), bytes), classes);
  }
};

}  // namespace firecaffe::data
