#pragma once

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "image_files.hpp"

namespace firecaffe::data {

// Images in folders, one for each class: ROOT/CLASS/.../NAME.jpg. Classes are numbered in the order of their names, and
// images come in the order of (class, folder below it, name), as in torchvision's ImageFolder. Files whose name does
// not end in .jpg, .jpeg or .png, in capitals or not, are passed over.
struct folder : image_files {
  // Throws file_error for a folder that cannot be read, has no folders in it, or one without images.
  explicit folder(const std::string& root, const image_options& o = {}) : folder(scan(root), root, o) {}

  const std::vector<std::string>& classes() const { return classes_; }

 private:
  struct found {
    file_table files;
    std::vector<std::string> classes;
  };
  struct entries {
    std::vector<std::string> folders, images;
  };

  folder(found&& f, const std::string& root, const image_options& o)
      : image_files(root, std::move(f.files), o), classes_(std::move(f.classes)) {}

  static bool is_image(const std::string& name) {
    const std::size_t dot = name.rfind('.');
    if (dot == name.npos) return false;
    std::string end = name.substr(dot);
    for (char& c : end)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return end == ".jpg" || end == ".jpeg" || end == ".png";
  }

  static entries read_folder(const std::string& path) {
    struct closer {
      void operator()(DIR* d) const { ::closedir(d); }
    };
    const std::unique_ptr<DIR, closer> directory(::opendir(path.c_str()));
    if (!directory) throw file_error(path, 0, std::string("cannot be opened as a folder: ") + std::strerror(errno));
    entries out;
    for (;;) {
      errno = 0;
      const dirent* e = ::readdir(directory.get());
      if (!e && errno != 0) throw file_error(path, 0, std::string("cannot be read: ") + std::strerror(errno));
      if (!e) break;
      std::string name = e->d_name;
      if (name == "." || name == "..") continue;
      bool is_folder = e->d_type == DT_DIR;
      if (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) {
        struct stat status {};
        is_folder = ::stat((path + "/" + name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
      }
      if (is_folder)
        out.folders.push_back(std::move(name));
      else if (is_image(name))
        out.images.push_back(std::move(name));
    }
    std::sort(out.folders.begin(), out.folders.end());
    std::sort(out.images.begin(), out.images.end());
    return out;
  }

  static found scan(const std::string& root) {
    found f;
    f.classes = read_folder(root).folders;
    if (f.classes.empty()) throw file_error(root, 0, "has no folders in it: expected one for each class");
    std::int32_t label = 0;
    for (const std::string& name : f.classes) {
      std::vector<std::pair<std::string, std::vector<std::string>>> below;  // folder, images
      std::vector<std::string> waiting{name};
      while (!waiting.empty()) {
        const std::string path = std::move(waiting.back());
        waiting.pop_back();
        if (std::count(path.begin(), path.end(), '/') > 32)
          throw file_error(root + "/" + path, 0, "more than 32 folders deep: a link that leads back?");
        entries e = read_folder(root + "/" + path);
        for (const std::string& next : e.folders) waiting.push_back(path + "/" + next);
        below.emplace_back(path, std::move(e.images));
      }
      std::sort(below.begin(), below.end());
      const std::size_t before = f.files.size();
      for (const auto& [path, images] : below)
        for (const std::string& image : images) f.files.add(path + "/" + image, label);
      if (f.files.size() == before) throw file_error(root + "/" + name, 0, "has no JPEG or PNG images in it");
      ++label;
    }
    return f;
  }

  std::vector<std::string> classes_;
};

}  // namespace firecaffe::data
