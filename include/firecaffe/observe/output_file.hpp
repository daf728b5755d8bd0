#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"

namespace firecaffe::observe {

// A file that is written from front to back; an empty path is no file, and what is put there goes nowhere. Throws
// file_error, with the path, where it cannot be opened or written (a full disk).
class output_file {
 public:
  explicit output_file(std::string path, const char* mode = "wb") : path_(std::move(path)) {
    if (path_.empty()) return;
    file_ = std::fopen(path_.c_str(), mode);
    if (file_ == nullptr) fail("cannot be opened for writing");
  }
  output_file(output_file&& other) noexcept
      : path_(std::move(other.path_)), file_(std::exchange(other.file_, nullptr)), written_(other.written_) {}
  ~output_file() {
    if (file_ != nullptr) std::fclose(file_);
  }

  void put(std::string_view text) {
    if (file_ == nullptr) return;
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail("cannot be written");
    written_ += text.size();
  }

  // Brings everything to the file. The destructor does too, but cannot report a failure.
  void flush() {
    if (file_ != nullptr && std::fflush(file_) != 0) fail("cannot be written");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw file_error(path_, written_, std::string(what) + ": " + std::strerror(errno));
  }

  std::string path_;
  std::FILE* file_ = nullptr;
  std::uint64_t written_ = 0;  // by this object, in bytes
};

}  // namespace firecaffe::observe
