#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "jpeg.hpp"
#include "png.hpp"

namespace firecaffe::data {

// Decodes JPEG and PNG images, told apart by their first bytes. One for each thread, used over and over.
class image_decoder {
 public:
  // Decodes what choose(height, width) -> image_part wants of the image. The view is valid until the next call.
  // Throws file_error for what is neither, is damaged or too large, and what `choose` throws.
  template <class Choose>
  image_view decode(const std::uint8_t* bytes, std::size_t size, const std::string& name, const image_options& o,
                    Choose&& choose) {
    if (jpeg_decoder::recognises(bytes, size)) return decode_with(jpeg_, bytes, size, name, o, choose);
    if (png_decoder::recognises(bytes, size)) return decode_with(png_, bytes, size, name, o, choose);
    throw file_error(name, 0, size == 0 ? "empty: expected an image" : "neither a JPEG nor a PNG image");
  }

 private:
  template <class Decoder, class Choose>
  image_view decode_with(Decoder& decoder, const std::uint8_t* bytes, std::size_t size, const std::string& name,
                         const image_options& o, Choose& choose) {
    decoder.open(bytes, size, name, o);
    return decoder.decode(choose(decoder.height(), decoder.width()), name, o, pixels_);
  }

  jpeg_decoder jpeg_;
  png_decoder png_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace firecaffe::data
