#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace firecaffe {

// Everything the library throws at run time derives from `error`. Its message names the place: the file and offset,
// the rank and peer, or the option. The library never calls exit, abort or MPI_Abort in a user's process.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// An option or an argument that cannot be used.
struct usage_error : error {
  using error::error;
};

// A file that is missing, truncated, malformed or cannot be written. `offset` is the byte where it was noticed.
struct file_error : error {
  file_error(const std::string& file, std::uint64_t byte, const std::string& what)
      : error(file + " (byte " + std::to_string(byte) + "): " + what), path(file), offset(byte) {}
  std::string path;
  std::uint64_t offset;
};

// A loss or gradient that is not finite.
struct numeric_error : error {
  using error::error;
};

// Ranks that disagree, a peer that died, or one that kept this rank waiting too long. `peer` is -1 where none is to
// blame alone.
struct communication_error : error {
  communication_error(int own_rank, int other, const std::string& what)
      : error("rank " + std::to_string(own_rank) + ": " + what), rank(own_rank), peer(other) {}
  int rank;
  int peer;
};

}  // namespace firecaffe
