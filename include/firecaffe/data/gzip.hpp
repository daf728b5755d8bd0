#pragma once

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace firecaffe::data {

// Reads a file from beginning to end, decompressing it where its first two bytes say gzip; its name does not matter.
// Unlike gzread it reports a truncated stream, a wrong check sum and bytes after the last member as errors, with the
// offset in the file where they were noticed.
class gzip_reader {
 public:
  // Opens `path`, or `path`.gz where only that exists. Throws file_error.
  explicit gzip_reader(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "rb")) {
    if (!file_ && errno == ENOENT) {
      file_.reset(std::fopen((path + ".gz").c_str(), "rb"));
      if (!file_ && errno == ENOENT) throw file_error(path, 0, "no such file, nor with .gz after its name");
      path_ = path + ".gz";
    }
    begin();
  }

  // Takes over a file opened for reading (fclose is ours); `name` is what errors call it.
  gzip_reader(std::FILE* file, std::string name) : path_(std::move(name)), file_(file) { begin(); }

  gzip_reader(const gzip_reader&) = delete;
  gzip_reader& operator=(const gzip_reader&) = delete;
  ~gzip_reader() {
    if (compressed_) inflateEnd(&stream_);
  }

  const std::string& path() const { return path_; }
  bool compressed() const { return compressed_; }
  std::uint64_t file_bytes() const { return file_bytes_; }  // as stored

  // What read() can yield in all, at most: deflate codes 258 bytes in no less than 2 bits.
  std::uint64_t most_bytes() const { return compressed_ ? 1032 * file_bytes_ : file_bytes_; }

  // Writes the next `bytes` bytes to `to` and returns how many there were: fewer only at the end of the file.
  std::size_t read(std::uint8_t* to, std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes) {
      const std::size_t got = compressed_ ? inflate_some(to + done, bytes - done) : copy_some(to + done, bytes - done);
      if (got == 0) break;
      done += got;
    }
    return done;
  }

 private:
  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void begin() {
    if (!file_) throw file_error(path_, 0, std::string("cannot be opened: ") + std::strerror(errno));
    const long length = std::fseek(file_.get(), 0, SEEK_END) == 0 ? std::ftell(file_.get()) : -1;
    // A directory opens and seeks like a file, with an absurd length.
    if (length < 0 || length == std::numeric_limits<long>::max() || std::fseek(file_.get(), 0, SEEK_SET) != 0)
      throw file_error(path_, 0, "is not a regular file");
    file_bytes_ = static_cast<std::uint64_t>(length);
    input_.resize(1 << 16);
    refill();
    if (stream_.avail_in >= 2 && input_[0] == 0x1f && input_[1] == 0x8b) {
      if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw file_error(path_, 0, "zlib cannot start");
      compressed_ = true;
    }
  }

  // The next part of the file to stream_.next_in; false at its end.
  bool refill() {
    const std::size_t got = std::fread(input_.data(), 1, input_.size(), file_.get());
    if (std::ferror(file_.get()))
      throw file_error(path_, consumed_, std::string("cannot be read: ") + std::strerror(errno));
    consumed_ += got;
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  std::size_t copy_some(std::uint8_t* to, std::size_t bytes) {
    if (stream_.avail_in == 0 && !refill()) return 0;
    const std::size_t part = std::min<std::size_t>(bytes, stream_.avail_in);
    std::memcpy(to, stream_.next_in, part);
    stream_.next_in += part;
    stream_.avail_in -= static_cast<uInt>(part);
    return part;
  }

  std::size_t inflate_some(std::uint8_t* to, std::size_t bytes) {
    const auto wanted = static_cast<uInt>(std::min<std::size_t>(bytes, 1u << 30));
    stream_.next_out = to;
    stream_.avail_out = wanted;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0 && !refill()) {
        if (member_ended_) return 0;
        throw file_error(path_, consumed_, "the gzip stream is truncated");
      }
      if (std::exchange(member_ended_, false)) inflateReset(&stream_);  // members may follow one another
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END)
        member_ended_ = true;
      else if (result != Z_OK)
        throw file_error(path_, consumed_ - stream_.avail_in,
                         std::string("the gzip stream is corrupt: ") + (stream_.msg ? stream_.msg : zError(result)));
    }
    return wanted - stream_.avail_out;
  }

  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
  std::uint64_t file_bytes_ = 0, consumed_ = 0;
  std::vector<std::uint8_t> input_;
  z_stream stream_{};
  bool compressed_ = false, member_ended_ = false;
};

}  // namespace firecaffe::data
