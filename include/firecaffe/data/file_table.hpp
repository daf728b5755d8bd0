#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"

namespace firecaffe::data {

// Reads a regular file whole, into memory that is used over and over: `to` grows and never shrinks. Returns how many
// bytes there are. Throws file_error for what cannot be read or is longer than `most` bytes.
inline std::size_t read_whole(const std::string& path, std::uint64_t most, std::vector<std::uint8_t>& to) {
  struct descriptor {
    int fd;
    ~descriptor() {
      if (fd >= 0) ::close(fd);
    }
  } const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};  // a pipe would wait for its writer
  struct stat status {};
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0)
    throw file_error(path, 0, std::string("cannot be opened: ") + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw file_error(path, 0, "is not a regular file");
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  if (bytes > most)
    throw file_error(path, most, "has " + std::to_string(bytes) + " bytes, more than " + std::to_string(most));
  if (to.size() < bytes) to.resize(bytes);
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::read(file.fd, to.data() + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error(path, done, std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) throw file_error(path, done, "became shorter while it was read");
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// Files and their labels, in one piece of memory: a million take about 16 MB and their names.
class file_table {
 public:
  void add(std::string_view name, std::int32_t label) {
    entries_.push_back({names_.size(), static_cast<std::uint32_t>(name.size()), label});
    names_ += name;
  }

  std::size_t size() const { return entries_.size(); }
  std::string_view name(std::size_t i) const {
    return std::string_view(names_).substr(entries_[i].first, entries_[i].length);
  }
  std::int32_t label(std::size_t i) const { return entries_[i].label; }

 private:
  struct entry {
    std::uint64_t first;
    std::uint32_t length;
    std::int32_t label;
  };
  std::string names_;
  std::vector<entry> entries_;
};

// The lines of a text, without what ends them (\n or \r\n). `line(text, offset)` is called for those that are not
// blank.
template <class Line>
void for_each_line(const std::string& path, std::string_view text, Line&& line) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view found = text.substr(at, end - at);
    if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
    if (const std::size_t zero = found.find('\0'); zero != found.npos)
      throw file_error(path, at + zero, "a byte 0: this is no text file");
    if (found.find_first_not_of(" \t") != found.npos) line(found, at);
    at = end + 1;
  }
}

// Caffe's list of images: lines `path label`, where the path may have spaces in it. With `classes` > 0 labels must be
// in [0, classes). Throws file_error for anything else, and for a list without lines.
inline file_table parse_list(const std::string& path, std::string_view text, int classes = 0) {
  file_table table;
  for_each_line(path, text, [&](std::string_view line, std::uint64_t at) {
    const std::size_t last = line.find_last_not_of(" \t") + 1, number = line.find_last_of(" \t", last - 1) + 1;
    const std::size_t end = number == 0 ? 0 : line.find_last_not_of(" \t", number - 1) + 1;  // of the path
    const std::string digits(line.substr(number, last - number));
    std::int32_t label = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), label);
    if (number == 0 || end == 0) throw file_error(path, at, "expected a path, a space and a label");
    if (result.ec != std::errc() || result.ptr != digits.data() + digits.size())
      throw file_error(path, at + number, "expected a label, found '" + digits.substr(0, 40) + "'");
    if (classes > 0 && (label < 0 || label >= classes))
      throw file_error(path, at + number, "label " + digits + ", expected in [0, " + std::to_string(classes) + ")");
    if (end > 4096) throw file_error(path, at, "a path of more than 4096 bytes");
    table.add(line.substr(0, end), label);
  });
  if (table.size() == 0) throw file_error(path, text.size(), "no lines: expected a path and a label on each");
  return table;
}

// A list of files, one a line, as Caffe's HDF5 data layer takes it.
inline std::vector<std::string> read_file_list(const std::string& path) {
  std::vector<std::uint8_t> content;
  const std::size_t bytes = read_whole(path, std::uint64_t{1} << 32, content);
  std::vector<std::string> files;
  for_each_line(path, {reinterpret_cast<const char*>(content.data()), bytes},
                [&](std::string_view line, std::uint64_t) { files.emplace_back(line); });
  if (files.empty()) throw file_error(path, bytes, "no lines: expected the name of a file on each");
  return files;
}

}  // namespace firecaffe::data
