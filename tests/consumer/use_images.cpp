// firecaffe::images brings libjpeg and libpng.
#include <firecaffe/data/decode.hpp>

int main() {
  const unsigned char nothing[1] = {};
  try {
    firecaffe::data::image_decoder().decode(nothing, 1, "nothing", {}, firecaffe::data::whole_image{});
  } catch (const firecaffe::file_error&) {
    return png_access_version_number() > 0 ? 0 : 1;
  }
  return 1;
}
