#pragma once

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

// A directory that goes with its files when the test ends, and the bytes the tests put into it.
using bytes = std::vector<std::uint8_t>;

class temporary_directory {
 public:
  temporary_directory() {
    char name[] = "/tmp/firecaffe-test-XXXXXX";
    if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() {
    for (const std::string& f : files_) ::unlink(f.c_str());
    ::rmdir(path_.c_str());
  }

  const std::string& path() const { return path_; }

  // The path for a file of that name, removed in the end.
  std::string file(const std::string& name) {
    files_.push_back(path_ + "/" + name);
    return files_.back();
  }

  std::string write(const std::string& name, const bytes& content) {
    const std::string path = file(name);
    std::FILE* out = std::fopen(path.c_str(), "wb");
    if (!out || (!content.empty() && std::fwrite(content.data(), 1, content.size(), out) != content.size()) ||
        std::fclose(out) != 0)
      throw std::runtime_error("cannot write " + path);
    return path;
  }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

// One gzip member.
inline bytes gzip(const bytes& plain) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("zlib");
  bytes packed(deflateBound(&stream, static_cast<uLong>(plain.size())) + 32);
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("deflate");
  return packed;
}

// An IDX file of unsigned bytes.
inline bytes idx_file(const std::vector<std::uint32_t>& extents, const bytes& elements) {
  bytes out{0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (const std::uint32_t e : extents)
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(e >> shift));
  out.insert(out.end(), elements.begin(), elements.end());
  return out;
}
