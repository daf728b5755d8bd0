#pragma once

// Images for tests, written and read by the plain interfaces of libjpeg and libpng.
#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <vector>

// clang-format off: jpeglib.h needs FILE and size_t
#include <jpeglib.h>
// clang-format on

using bytes = std::vector<std::uint8_t>;

// Interleaved pixels.
struct picture {
  int height = 0, width = 0, channels = 0;
  bytes pixels;
  std::uint8_t at(int y, int x, int c) const {
    return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

// Smooth, with some noise: a few waves a channel.
inline picture random_picture(int height, int width, int channels, std::uint_fast32_t seed, int noise = 20) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  picture p{height, width, channels, bytes(static_cast<std::size_t>(height * width * channels))};
  std::uniform_real_distribution<double> unit(0, 1);
  std::vector<double> wave(static_cast<std::size_t>(channels) * 9);
  for (double& w : wave) w = unit(random);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) {
        double v = 128;
        for (int k = 0; k < 3; ++k) {
          const double* w = &wave[static_cast<std::size_t>(c * 9 + k * 3)];
          v += 40 * std::sin(0.15 * (w[0] * y + w[1] * x) + 6 * w[2]);
        }
        v += (unit(random) - 0.5) * noise;
        p.pixels[static_cast<std::size_t>((y * width + x) * channels + c)] =
            static_cast<std::uint8_t>(std::clamp(v, 0.0, 255.0));
      }
  return p;
}

struct jpeg_settings {
  int quality = 90, across = 2, down = 2;  // how many pixels a chroma sample covers
  bool progressive = false, adobe_inks = false;
  int restart = 0;
  J_COLOR_SPACE stored = JCS_UNKNOWN;  // else the usual one for so many channels
};

inline bytes write_jpeg(const picture& p, const jpeg_settings& s = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(p.width);
  info.image_height = static_cast<JDIMENSION>(p.height);
  info.input_components = p.channels;
  info.in_color_space = p.channels == 1 ? JCS_GRAYSCALE : p.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (s.stored != JCS_UNKNOWN && p.channels > 1) jpeg_set_colorspace(&info, s.stored);
  jpeg_set_quality(&info, s.quality, TRUE);
  if (p.channels == 3) {
    info.comp_info[0].h_samp_factor = s.across;
    info.comp_info[0].v_samp_factor = s.down;
  }
  info.restart_interval = static_cast<unsigned>(s.restart);
  if (p.channels == 4) info.write_Adobe_marker = s.adobe_inks ? TRUE : FALSE;
  if (s.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(p.pixels.data() + std::size_t{info.next_scanline} *
                                                              static_cast<std::size_t>(p.width * p.channels));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  bytes out(memory, memory + size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return out;
}

// The whole image, num/8 as large, in that colour space.
inline picture read_jpeg(const bytes& file, J_COLOR_SPACE wanted, unsigned num = 8) {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, file.data(), file.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = wanted;
  info.scale_num = num;
  info.scale_denom = 8;
  jpeg_start_decompress(&info);
  picture p{static_cast<int>(info.output_height), static_cast<int>(info.output_width), info.output_components, {}};
  p.pixels.resize(static_cast<std::size_t>(p.height * p.width * p.channels));
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = p.pixels.data() + std::size_t{info.output_scanline} * static_cast<std::size_t>(p.width * p.channels);
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return p;
}

// 1: grey, 2: grey and alpha, 3: RGB, 4: RGBA.
inline bytes write_png(const picture& p) {
  static constexpr png_uint_32 formats[] = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(p.width);
  image.height = static_cast<png_uint_32>(p.height);
  image.format = formats[p.channels];
  png_alloc_size_t size = 0;
  if (!png_image_write_to_memory(&image, nullptr, &size, 0, p.pixels.data(), 0, nullptr))
    throw std::runtime_error(image.message);
  bytes out(size);
  if (!png_image_write_to_memory(&image, out.data(), &size, 0, p.pixels.data(), 0, nullptr))
    throw std::runtime_error(image.message);
  out.resize(size);
  return out;
}
