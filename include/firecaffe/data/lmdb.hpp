#pragma once

#if !__has_include(<lmdb.h>)
#error "firecaffe/data/lmdb.hpp needs liblmdb (Debian: liblmdb-dev), CMake target firecaffe::lmdb"
#endif

#include <lmdb.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "datum.hpp"
#include "decode.hpp"
#include "lmdb_keys.hpp"

namespace firecaffe::data {

struct lmdb_options {
  image_options images{};  // what encoded images become; `order` is also that of raw ones
  // How colour images that are not encoded are stored. Caffe's convert_imageset writes bgr, convert_cifar_data rgb.
  channel_order stored = channel_order::bgr;
};

// A database of Caffe's Datum messages, raw, encoded (JPEG, PNG) or of floats: an image source, with samples in the
// order of their keys. The database is mapped into memory, so that raw images are read where they lie; keys are
// computed where they are numbered, and kept otherwise (see lmdb_keys.hpp).
//
// It is opened without a lock (MDB_NOLOCK): the file may be read-only, on a file system without locks, and read by any
// number of processes, but nobody may write to it meanwhile. liblmdb trusts the pages of its files; that there are
// as many as it says is checked here.
class lmdb {
  struct environment {
    MDB_env* env = nullptr;
    ~environment() { mdb_env_close(env); }  // null is allowed
  };

 public:
  using target = std::int32_t;

  // A reader of the database and what decoding needs.
  class scratch {
   public:
    scratch() = default;
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() { close(); }

   private:
    friend lmdb;
    void close() {
      if (cursor) mdb_cursor_close(cursor);
      if (txn) mdb_txn_abort(txn);
      cursor = nullptr;
      txn = nullptr;
    }
    std::shared_ptr<const environment> owner;
    MDB_txn* txn = nullptr;
    MDB_cursor* cursor = nullptr;
    std::string name;
    std::vector<float> floats;
    image_decoder decoder;
  };

  // `path` is the folder that holds data.mdb, or a file. Throws file_error for what cannot be opened, is shorter than
  // it says or is empty, usage_error for options that make no sense.
  explicit lmdb(const std::string& path, const lmdb_options& o = {}) : options_(o), path_(path) {
    check(o.images);
    struct stat status {};
    const bool one_file = ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
    if (!one_file) path_ += "/data.mdb";
    if (::stat(path_.c_str(), &status) != 0)
      throw file_error(path_, 0, std::string("cannot be opened: ") + std::strerror(errno));
    if (!S_ISREG(status.st_mode)) throw file_error(path_, 0, "is not a regular file");
    auto e = std::make_shared<environment>();
    succeed(mdb_env_create(&e->env), "cannot be opened");
    const unsigned flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | (one_file ? unsigned{MDB_NOSUBDIR} : 0u);
    succeed(mdb_env_open(e->env, path.c_str(), flags, 0), "cannot be opened as an LMDB database");
    MDB_envinfo info{};
    MDB_stat pages{};
    succeed(mdb_env_info(e->env, &info), "cannot be read");
    succeed(mdb_env_stat(e->env, &pages), "cannot be read");
    const auto bytes = static_cast<std::uint64_t>(status.st_size);
    if (pages.ms_psize == 0 || bytes / pages.ms_psize <= info.me_last_pgno)
      throw file_error(path_, bytes,
                       "truncated: claims " + std::to_string(info.me_last_pgno + 1) + " pages of " +
                           std::to_string(pages.ms_psize) + " bytes");
    environment_ = std::move(e);
    scratch s;
    begin(s);
    succeed(mdb_stat(s.txn, dbi_, &pages), "cannot be read");
    entries_ = pages.ms_entries;
    if (entries_ == 0) throw file_error(path_, 0, "is an LMDB database without entries");
    const std::string first(find(s, MDB_FIRST)), last(find(s, MDB_LAST));
    digits_ = numbered_digits(first, last, entries_);
    if (digits_ > 0) return;
    keys_.add(first);
    find(s, MDB_FIRST);
    for (std::size_t i = 1; i < entries_; ++i) keys_.add(find(s, MDB_NEXT));
  }

  std::size_t size() const { return entries_; }
  int channels() const { return options_.images.channels; }
  bool numbered() const { return digits_ > 0; }  // keys are computed, not kept

  // Throws file_error for a record that is not there, is malformed or has another number of channels, too.
  template <class Choose>
  image_view image(std::size_t index, int, Choose&& choose, scratch& s, std::int32_t* label) const {
    if (index >= entries_)
      throw usage_error("data::lmdb: sample " + std::to_string(index) + " of " + std::to_string(entries_));
    if (s.owner != environment_) begin(s);
    const MDB_val value = record(index, s);
    const datum d = parse_datum(value.mv_data, value.mv_size, s.name, s.floats);
    *label = d.label;
    if (d.encoded) return s.decoder.decode(d.bytes, d.size, s.name, options_.images, choose);
    if (d.view.channels != channels())
      throw file_error(s.name, 0,
                       "has " + std::to_string(d.view.channels) + " channels, expected " + std::to_string(channels()));
    const bool reversed = channels() == 3 && options_.stored != options_.images.order;
    return part_of(reversed ? reversed_channels(d.view) : d.view, choose(d.view.height, d.view.width));
  }

 private:
  void succeed(int result, const char* what) const {
    if (result != MDB_SUCCESS) throw file_error(path_, 0, std::string(what) + ": " + mdb_strerror(result));
  }

  // A transaction for this scratch's thread. It stays open: nobody writes, so that it holds nobody up.
  void begin(scratch& s) const {
    s.close();
    s.owner = environment_;
    succeed(mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &s.txn), "cannot be read");
    MDB_dbi dbi = 0;
    succeed(mdb_dbi_open(s.txn, nullptr, 0, &dbi), "cannot be read");
    if (dbi != dbi_) throw file_error(path_, 0, "has another main database than expected");
    succeed(mdb_cursor_open(s.txn, dbi, &s.cursor), "cannot be read");
  }

  std::string_view find(scratch& s, MDB_cursor_op op) const {
    MDB_val key{}, value{};
    succeed(mdb_cursor_get(s.cursor, &key, &value, op), "a key cannot be read");
    return {static_cast<const char*>(key.mv_data), key.mv_size};
  }

  MDB_val record(std::size_t index, scratch& s) const {
    char digits[20];
    if (digits_ > 0) write_number(digits, digits_, index);
    const std::string_view wanted = digits_ > 0 ? std::string_view(digits, digits_) : keys_[index];
    MDB_val key{wanted.size(), const_cast<char*>(wanted.data())}, value{};
    const int result = mdb_cursor_get(s.cursor, &key, &value, digits_ > 0 ? MDB_SET_RANGE : MDB_SET);
    const std::string_view found(static_cast<const char*>(key.mv_data), key.mv_size);
    s.name = path_ + " (key ";
    s.name += result == MDB_SUCCESS ? found : wanted;
    s.name += ")";
    if (result == MDB_NOTFOUND || (result == MDB_SUCCESS && digits_ > 0 && !has_number(found, digits_, index)))
      throw file_error(s.name, 0, "the keys are not numbered without gaps: " + std::to_string(index) + " is missing");
    succeed(result, "a record cannot be read");
    return value;
  }

  lmdb_options options_;
  std::string path_;
  std::shared_ptr<const environment> environment_;
  MDB_dbi dbi_ = 1;  // the main one's, always
  std::size_t entries_ = 0, digits_ = 0;
  key_table keys_;
};

}  // namespace firecaffe::data
