#pragma once

#if !__has_include(<hdf5.h>)
#error \
    "firecaffe/data/hdf5.hpp needs HDF5 (Debian: libhdf5-dev, in /usr/include/hdf5/serial), CMake target firecaffe::hdf5"
#endif

#include <hdf5.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace firecaffe::data {

// The HDF5 library has one state for the whole process and, as it is usually built, no lock: this is it.
inline std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

// While one lives, the calling thread has the library for itself, and the library prints nothing.
class hdf5_turn {
 public:
  hdf5_turn() : lock_(hdf5_mutex()) {
    H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  hdf5_turn(const hdf5_turn&) = delete;
  hdf5_turn& operator=(const hdf5_turn&) = delete;
  ~hdf5_turn() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }

  // What the library says of the last call that failed: the innermost of its messages.
  static std::string message() {
    std::string text;
    H5Ewalk2(
        H5E_DEFAULT, H5E_WALK_UPWARD,
        [](unsigned n, const H5E_error2_t* e, void* to) -> herr_t {
          if (n == 0 && e->desc) *static_cast<std::string*>(to) = e->desc;
          return 0;
        },
        &text);
    return text.empty() ? "no reason given" : text;
  }

 private:
  std::lock_guard<std::mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

// An identifier of the library. It is closed by its owner, who has the turn.
class hdf5_id {
 public:
  explicit hdf5_id(hid_t id = H5I_INVALID_HID) : id_(id) {}
  hdf5_id(hdf5_id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  hdf5_id& operator=(hdf5_id&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~hdf5_id() { close(); }
  void close() {
    if (id_ >= 0) H5Idec_ref(std::exchange(id_, H5I_INVALID_HID));
  }
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

// One data set of numbers in an HDF5 file, open for reading.
class hdf5_file {
 public:
  // Throws file_error for what is missing, is no data set of integers or floating-point numbers with one extent at
  // least, or claims more elements than the file can hold: stored as they are, or with any filter in 1/1032 of that.
  hdf5_file(const std::string& path, const std::string& name) : hdf5_file(path, name, nothing_open{}) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
      throw file_error(path, 0, std::string("cannot be opened: ") + std::strerror(errno));
    if (!S_ISREG(status.st_mode)) throw file_error(path, 0, "is not a regular file");
    const hdf5_turn turn;
    const hdf5_id access(succeed(H5Pcreate(H5P_FILE_ACCESS), "no memory"));
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && H5_VERS_MINOR == 10)
    H5Pset_file_locking(access, false, true);  // the file systems of clusters often have no locks; we only read
#endif
    file_ = hdf5_id(succeed(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), "cannot be opened as an HDF5 file"));
    set_ = hdf5_id(succeed(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), "has no data set '" + name + "'"));
    const hdf5_id type(succeed(H5Dget_type(set_), "no type"));
    const H5T_class_t kind = H5Tget_class(type);
    if (kind != H5T_INTEGER && kind != H5T_FLOAT) refuse("has neither integers nor floating-point numbers");
    const hdf5_id space(succeed(H5Dget_space(set_), "no extents"));
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 1) refuse("has no extents");
    std::vector<hsize_t> found(static_cast<std::size_t>(rank));
    succeed(H5Sget_simple_extent_dims(space, found.data(), nullptr), "no extents");
    if (std::find(found.begin(), found.end(), 0) != found.end()) refuse("has an extent of 0");
    const hdf5_id properties(succeed(H5Dget_create_plist(set_), "no layout"));
    if (H5Pget_layout(properties) == H5D_VIRTUAL || H5Pget_external_count(properties) > 0)
      refuse("keeps its elements in other files");

    const std::uint64_t stored = H5Dget_storage_size(set_), bytes = H5Tget_size(type);
    const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
    const std::uint64_t room = stored > file_bytes ? 0 : (H5Pget_nfilters(properties) > 0 ? 1032 : 1) * stored;
    std::string claim;
    for (const hsize_t e : found) {
      claim += (claim.empty() ? "" : " x ") + std::to_string(e);
      if (elements_ > room / bytes / e)
        refuse("claims " + claim + " or more elements of " + std::to_string(bytes) + " bytes, but " +
               std::to_string(stored) + " bytes are stored for them in a file of " + std::to_string(file_bytes));
      elements_ *= static_cast<std::size_t>(e);
      extents_.push_back(e);
    }
  }

  hdf5_file(hdf5_file&& other) noexcept = default;
  ~hdf5_file() { close(); }

  void close() {
    if (file_ < 0) return;
    const hdf5_turn turn;
    set_.close();
    file_.close();
  }

  const std::string& path() const { return path_; }
  const std::vector<std::uint64_t>& extents() const { return extents_; }
  std::size_t elements() const { return elements_; }

  // Writes the elements of `count` samples, converted to T. Throws file_error.
  template <std::floating_point T>
  void read(std::uint64_t first, std::uint64_t count, T* to) const {
    const hdf5_turn turn;
    const hdf5_id space(succeed(H5Dget_space(set_), "no extents"));
    std::vector<hsize_t> start(extents_.size()), length(extents_.begin(), extents_.end());
    start[0] = first;
    length[0] = count;
    succeed(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, length.data(), nullptr), "no such part");
    const hdf5_id memory(
        succeed(H5Screate_simple(static_cast<int>(length.size()), length.data(), nullptr), "no such part"));
    succeed(
        H5Dread(set_, std::same_as<T, float> ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, to),
        "cannot be read");
  }

 private:
  struct nothing_open {};
  // Delegated to, so that the destructor closes, in its turn, what was open when an error was thrown.
  hdf5_file(const std::string& path, const std::string& name, nothing_open) : path_(path), name_(name) {}

  [[noreturn]] void refuse(const std::string& what) const { throw file_error(path_, 0, "'" + name_ + "' " + what); }

  template <class Result>
  Result succeed(Result result, const std::string& what) const {
    if (result < 0) throw file_error(path_, 0, "'" + name_ + "': " + what + ": " + hdf5_turn::message());
    return result;
  }

  std::string path_, name_;
  hdf5_id file_, set_;
  std::vector<std::uint64_t> extents_;
  std::size_t elements_ = 1;
};

}  // namespace firecaffe::data
