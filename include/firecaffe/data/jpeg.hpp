#pragma once

#if !__has_include(<jpeglib.h>)
#error "firecaffe/data/jpeg.hpp needs libjpeg-turbo (Debian: libjpeg62-turbo-dev), CMake target firecaffe::images"
#endif

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

// clang-format off: this order. jpeglib.h needs FILE and size_t, jerror.h needs jpeglib.h.
#include <jerror.h>
#include <jpeglib.h>
// clang-format on

#include "pixels.hpp"

#if !defined(LIBJPEG_TURBO_VERSION_NUMBER)
#error "firecaffe/data/jpeg.hpp needs libjpeg-turbo 1.5 or later: other libjpegs do not decode parts of an image"
#endif

namespace firecaffe::data {

// Decodes JPEG images, one after the other, or the part of one that is wanted: rows above and below it and columns far
// from it are not transformed back, and where a reduced image will do, coefficients are left out (DCT scaling).
// Warnings of the library that mean damaged or missing data are errors here; bytes between segments are not.
//
// The library reports errors by a function that must not return. It jumps back (setjmp) into the member function that
// called the library; these have only trivial local variables, and throw after the jump.
class jpeg_decoder {
 public:
  jpeg_decoder() {
    info_.err = jpeg_std_error(&handler_.base);
    handler_.base.error_exit = [](j_common_ptr info) { fail(info, info->err->msg_code); };
    handler_.base.emit_message = [](j_common_ptr info, int level) {
      const int code = info->err->msg_code;
      if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR && code != JWRN_ADOBE_XFORM &&
          code != JWRN_BOGUS_PROGRESSION)
        fail(info, code);
    };
    handler_.base.output_message = [](j_common_ptr) {};
    if (!create()) throw error(std::string("libjpeg: ") + handler_.text);
    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > most_scans) {
        std::snprintf(reinterpret_cast<handler*>(info->err)->text, JMSG_LENGTH_MAX, "more than %d scans", most_scans);
        std::longjmp(reinterpret_cast<handler*>(info->err)->back, 1);
      }
    };
    info_.progress = &progress_;
  }
  jpeg_decoder(const jpeg_decoder&) = delete;
  jpeg_decoder& operator=(const jpeg_decoder&) = delete;
  ~jpeg_decoder() { jpeg_destroy_decompress(&info_); }

  static bool recognises(const std::uint8_t* bytes, std::size_t size) {
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
  }

  // Reads the header; `bytes` must stay until decode() is done. `name` is what errors call the file.
  void open(const std::uint8_t* bytes, std::size_t size, const std::string& name, const image_options& o) {
    jpeg_abort_decompress(&info_);
    size_ = size;
    if (!header(bytes)) refuse(name);
    check_size(name, info_.image_height, info_.image_width, o.most_pixels);
    std::uint64_t blocks = 0;
    for (int c = 0; c < info_.num_components; ++c)
      blocks += std::uint64_t{info_.comp_info[c].width_in_blocks} * info_.comp_info[c].height_in_blocks;
    if (!info_.arith_code && blocks > 8 * std::uint64_t{size})  // a block's Huffman code has at least one bit
      throw file_error(name, position(),
                       "truncated: claims " + std::to_string(height()) + " x " + std::to_string(width()) + " pixels, " +
                           std::to_string(size) + " bytes cannot hold them");
  }

  int height() const { return static_cast<int>(info_.image_height); }
  int width() const { return static_cast<int>(info_.image_width); }

  // After open(), once. The view lies in `to`. What lies behind the last row that is wanted is not decoded, but the
  // file must have an end.
  image_view decode(const image_part& part, const std::string& name, const image_options& o,
                    std::vector<std::uint8_t>& to) {
    const bool cmyk = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    const bool grey = o.channels == 1 || info_.jpeg_color_space == JCS_GRAYSCALE;
    info_.out_color_space = cmyk ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
    info_.scale_denom = 8;
    info_.scale_num = 8;
    while (part.least_height > 0 && part.least_width > 0 && info_.scale_num > 1 &&
           part.height * static_cast<int>(info_.scale_num) / 16 >= part.least_height &&
           part.width * static_cast<int>(info_.scale_num) / 16 >= part.least_width)
      info_.scale_num /= 2;
    if (!start()) refuse(name);

    // In pixels of the output, edges outwards; columns with two more on each side, as chroma is interpolated.
    const int num = static_cast<int>(info_.scale_num), rows = static_cast<int>(info_.output_height);
    const int columns = static_cast<int>(info_.output_width);
    const int top = part.top * num / 8, left = part.left * num / 8;
    const int bottom = std::min(rows, ((part.top + part.height) * num + 7) / 8);
    const int right = std::min(columns, ((part.left + part.width) * num + 7) / 8);
    const int stored = info_.out_color_components;
    from_ = static_cast<JDIMENSION>(std::max(0, left - 2));
    columns_ = static_cast<JDIMENSION>(std::min(columns, right + 2)) - from_;
    if (columns_ < info_.output_width && !narrow()) refuse(name);
    const std::size_t line = static_cast<std::size_t>(columns_) * static_cast<std::size_t>(stored);
    std::uint8_t* pixels = room(to, static_cast<std::size_t>(bottom - top) * line);
    if (!lines(pixels, line, static_cast<JDIMENSION>(top), static_cast<JDIMENSION>(bottom))) refuse(name);
    if (bottom < rows && !ends())
      throw file_error(name, size_, "truncated: a JPEG file ends with a marker that this one lacks");

    const std::size_t count = static_cast<std::size_t>(bottom - top) * columns_;
    if (cmyk) cmyk_to_rgb(pixels, count, info_.saw_Adobe_marker);
    if (cmyk && o.channels == 1) make_grey(pixels, count, 4);
    const auto columns_read = static_cast<int>(columns_);
    image_view v = interleaved_view(pixels, bottom - top, columns_read, stored, grey, o);
    v = part_of(v, {0, left - static_cast<int>(from_), bottom - top, right - left, 0, 0});
    v.top = part.top * num / 8.0 - top;
    v.left = part.left * num / 8.0 - left;
    v.zoom = num / 8.0;
    return v;
  }

 private:
  struct handler {
    jpeg_error_mgr base;  // first: the library hands out a pointer to it
    std::jmp_buf back;
    char text[JMSG_LENGTH_MAX];
  };

  static constexpr int most_scans = 100;  // progressive files of a few KB can ask for hours of work otherwise

  [[noreturn]] static void fail(j_common_ptr info, int code) {
    auto* h = reinterpret_cast<handler*>(info->err);
    info->err->msg_code = code;
    info->err->format_message(info, h->text);
    std::longjmp(h->back, 1);
  }

  bool create() {
    if (setjmp(handler_.back)) return false;
    jpeg_create_decompress(&info_);
    return true;
  }

  bool header(const std::uint8_t* bytes) {
    if (setjmp(handler_.back)) return false;
    jpeg_mem_src(&info_, bytes, size_);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool start() {
    if (setjmp(handler_.back)) return false;
    jpeg_start_decompress(&info_);
    return true;
  }

  bool narrow() {
    if (setjmp(handler_.back)) return false;
    jpeg_crop_scanline(&info_, &from_, &columns_);
    return true;
  }

  bool lines(std::uint8_t* to, std::size_t line, JDIMENSION top, JDIMENSION bottom) {
    if (setjmp(handler_.back)) return false;
    if (top > 0) jpeg_skip_scanlines(&info_, top);
    while (info_.output_scanline < bottom) {
      JSAMPROW row = to + (info_.output_scanline - top) * line;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    if (bottom == info_.output_height) jpeg_finish_decompress(&info_);
    return true;
  }

  // Whether the marker FF D9 is among what the decoder has not read, where data cannot look like it. From the end:
  // there it mostly is.
  bool ends() {
    constexpr int end_of_image = 0xd9;
    if (jpeg_input_complete(&info_) || info_.unread_marker == end_of_image) return true;
    const std::uint8_t* rest = info_.src->next_input_byte;
    for (std::size_t i = info_.src->bytes_in_buffer; i-- > 1;)
      if (rest[i] == end_of_image && rest[i - 1] == 0xff) return true;
    return false;
  }

  std::uint64_t position() const { return info_.src ? size_ - std::min(size_, info_.src->bytes_in_buffer) : 0; }

  [[noreturn]] void refuse(const std::string& name) const {
    throw file_error(name, position(), std::string("not a JPEG image that can be decoded: ") + handler_.text);
  }

  // Photoshop stores inks inverted, and says that it made the file.
  static void cmyk_to_rgb(std::uint8_t* pixels, std::size_t count, bool inverted) {
    const unsigned flip = inverted ? 0 : 255;
    for (std::size_t i = 0; i < count; ++i, pixels += 4)
      for (int c = 0; c < 3; ++c)
        pixels[c] = static_cast<std::uint8_t>(((pixels[c] ^ flip) * (pixels[3] ^ flip) + 127) / 255);
  }

  jpeg_decompress_struct info_{};
  handler handler_{};
  jpeg_progress_mgr progress_{};
  std::size_t size_ = 0;
  JDIMENSION from_ = 0, columns_ = 0;
};

}  // namespace firecaffe::data
