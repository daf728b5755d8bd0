#pragma once

#if !__has_include(<png.h>)
#error "firecaffe/data/png.hpp needs libpng 1.6 (Debian: libpng-dev), CMake target firecaffe::images"
#endif

#include <png.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "pixels.hpp"

namespace firecaffe::data {

// Decodes PNG images with libpng's simplified interface: palettes, 16 bits and few bits become 8 bits (as sRGB where
// the file says how its samples are coded), alpha is dropped, not blended. Damage to chunks that images can do without
// is passed over.
class png_decoder {
 public:
  png_decoder() = default;
  png_decoder(const png_decoder&) = delete;
  png_decoder& operator=(const png_decoder&) = delete;
  ~png_decoder() { png_image_free(&image_); }

  static bool recognises(const std::uint8_t* bytes, std::size_t size) {
    return size >= 8 && std::memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
  }

  // Reads the header; `bytes` must stay until decode() is done. `name` is what errors call the file.
  void open(const std::uint8_t* bytes, std::size_t size, const std::string& name, const image_options& o) {
    bytes_ = bytes;
    size_ = size;
    begin();
    if (!png_image_begin_read_from_memory(&image_, bytes, size)) refuse(name);
    check_size(name, image_.height, image_.width, o.most_pixels);
    // A row has at least a bit a pixel and a byte more; deflate codes 258 bytes in no less than 2 bits.
    const std::uint64_t least = (std::uint64_t{image_.width} + 7) / 8 * image_.height;
    if (least > 1032 * std::uint64_t{size})
      throw file_error(name, 0,
                       "truncated: claims " + std::to_string(height()) + " x " + std::to_string(width()) + " pixels, " +
                           std::to_string(size) + " bytes cannot hold them");
  }

  int height() const { return static_cast<int>(image_.height); }
  int width() const { return static_cast<int>(image_.width); }

  // After open(), once. The view lies in `to`.
  image_view decode(const image_part& part, const std::string& name, const image_options& o,
                    std::vector<std::uint8_t>& to) {
    const bool grey = (image_.format & PNG_FORMAT_FLAG_COLOR) == 0;
    const int stored = choose_format();
    const std::size_t pixels = std::size_t{image_.width} * image_.height;
    const int high = height(), wide = width();
    std::uint8_t* bytes = room(to, pixels * static_cast<std::size_t>(stored));
    if (!png_image_finish_read(&image_, nullptr, bytes, 0, nullptr)) refuse(name);
    if (o.channels == 1 && !grey) make_grey(bytes, pixels, static_cast<std::size_t>(stored));
    return part_of(interleaved_view(bytes, high, wide, stored, grey || o.channels == 1, o), part);
  }

 private:
  void begin() {
    png_image_free(&image_);
    std::memset(&image_, 0, sizeof image_);
    image_.version = PNG_IMAGE_VERSION;
  }

  // Whatever is stored, in 8 bits. Returns the bytes of a pixel.
  int choose_format() {
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    image_.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
    return static_cast<int>(PNG_IMAGE_PIXEL_CHANNELS(image_.format));
  }

  // The simplified interface does not say where it stopped: read again from a stream that knows, up to the same error.
  [[noreturn]] void refuse(const std::string& name) {
    const std::string why = image_.message;
    struct closer {
      void operator()(std::FILE* f) const { std::fclose(f); }
    };
    long position = 0;
    if (size_ > 0) {
      const std::unique_ptr<std::FILE, closer> stream(fmemopen(const_cast<std::uint8_t*>(bytes_), size_, "rb"));
      if (stream) {
        std::setvbuf(stream.get(), nullptr, _IONBF, 0);
        begin();
        if (png_image_begin_read_from_stdio(&image_, stream.get())) {
          std::vector<std::uint8_t> ignored(std::size_t{image_.width} * image_.height *
                                            static_cast<std::size_t>(choose_format()));
          png_image_finish_read(&image_, nullptr, ignored.data(), 0, nullptr);
        }
        position = std::max(0L, std::ftell(stream.get()));
      }
    }
    png_image_free(&image_);
    throw file_error(name, static_cast<std::uint64_t>(position), "not a PNG image that can be decoded: " + why);
  }

  png_image image_{};
  const std::uint8_t* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace firecaffe::data
