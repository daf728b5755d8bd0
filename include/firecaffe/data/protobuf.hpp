#pragma once

#if !__has_include(<protozero/pbf_reader.hpp>)
#error "firecaffe/data/protobuf.hpp needs protozero (Debian: libprotozero-dev), CMake target firecaffe::protozero"
#endif

#include <cstddef>
#include <cstdint>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <vector>

#include "../core/error.hpp"

namespace firecaffe::data {

// The fields of a protocol buffer message, one after the other, with errors that name file and byte.
class protobuf_reader {
  template <class Read>
  auto guarded(Read read) {
    try {
      return read();
    } catch (const protozero::exception& e) {
      refuse(std::string("malformed protocol buffer message: ") + e.what());
    }
  }

 public:
  // `size` bytes that begin at byte `offset` of the file `name`.
  protobuf_reader(const char* bytes, std::size_t size, const std::string& name, std::uint64_t offset = 0)
      : reader_(bytes, size), name_(&name), end_(offset + size) {}

  std::uint64_t position() const { return end_ - reader_.length(); }
  [[noreturn]] void refuse(const std::string& what) const { throw file_error(*name_, position(), what); }

  // Goes to the next field; skips those whose number `wanted` does not know, which newer writers may have added.
  template <class Wanted>
  bool next(Wanted wanted) {
    return guarded([&] {
      while (reader_.next()) {
        if (wanted(reader_.tag())) return true;
        reader_.skip();
      }
      return false;
    });
  }

  std::uint32_t tag() const { return reader_.tag(); }

  // The value of the field; one of another type is refused.
  std::int64_t integer() {
    expect(protozero::pbf_wire_type::varint);
    return guarded([&] { return reader_.get_int64(); });
  }
  protozero::data_view bytes() {
    expect(protozero::pbf_wire_type::length_delimited);
    return guarded([&] { return reader_.get_view(); });
  }
  protobuf_reader message() {
    const protozero::data_view v = bytes();
    return {v.data(), v.size(), *name_, position() - v.size()};
  }

  // A `repeated` field of numbers, packed or one by one: adds what this occurrence has.
  void floats(std::vector<float>& to) {
    if (reader_.wire_type() == protozero::pbf_wire_type::length_delimited) {
      guarded([&] {
        const auto range = reader_.get_packed_float();
        to.insert(to.end(), range.begin(), range.end());
        return true;
      });
    } else {
      expect(protozero::pbf_wire_type::fixed32);
      to.push_back(guarded([&] { return reader_.get_float(); }));
    }
  }
  void doubles(std::vector<float>& to) {
    if (reader_.wire_type() == protozero::pbf_wire_type::length_delimited) {
      guarded([&] {
        for (const double x : reader_.get_packed_double()) to.push_back(static_cast<float>(x));
        return true;
      });
    } else {
      expect(protozero::pbf_wire_type::fixed64);
      to.push_back(static_cast<float>(guarded([&] { return reader_.get_double(); })));
    }
  }
  void integers(std::vector<std::int64_t>& to) {
    if (reader_.wire_type() == protozero::pbf_wire_type::length_delimited) {
      guarded([&] {
        for (const std::int64_t x : reader_.get_packed_int64()) to.push_back(x);
        return true;
      });
    } else {
      to.push_back(integer());
    }
  }

 private:
  void expect(protozero::pbf_wire_type type) const {
    if (reader_.wire_type() != type) refuse("field " + std::to_string(tag()) + " has another type than expected");
  }

  protozero::pbf_reader reader_;
  const std::string* name_;
  std::uint64_t end_;
};

}  // namespace firecaffe::data
