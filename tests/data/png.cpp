#include "firecaffe/data/png.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <random>
#include <string>

#include "pictures.hpp"
#include "refusal.hpp"

namespace fc = firecaffe;
using fc::data::image_options;
using fc::data::image_part;
using fc::data::image_view;

namespace {

struct decoded {
  fc::data::png_decoder decoder;
  bytes memory;
  image_view operator()(const bytes& file, const image_options& o, image_part part = {}) {
    memory.assign(memory.size(), 0xA5);
    decoder.open(file.data(), file.size(), "a.png", o);
    if (part.height == 0) part = {0, 0, decoder.height(), decoder.width(), 0, 0};
    return decoder.decode(part, "a.png", o, memory);
  }
};

std::uint8_t at(const image_view& v, int c, int y, int x) { return v.bytes[c * v.channel + y * v.row + x * v.pixel]; }

refusal refused(decoded& d, const bytes& file, const image_options& o = {}) {
  return refusal_of([&] { d(file, o); });
}

// A PNG file of a bit depth and colour type that the simplified interface does not write, rows as given.
bytes raw_png(int height, int width, int depth, int type, const bytes& rows, const bytes& palette = {}) {
  bytes out{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const auto number = [](bytes& to, unsigned long n) {
    for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(n >> shift));
  };
  const auto chunk = [&](const char* name, const bytes& content) {
    number(out, content.size());
    const std::size_t from = out.size();
    out.insert(out.end(), name, name + 4);
    out.insert(out.end(), content.begin(), content.end());
    number(out, crc32(0, out.data() + from, static_cast<uInt>(out.size() - from)));
  };
  bytes header;
  number(header, static_cast<unsigned>(width));
  number(header, static_cast<unsigned>(height));
  for (const int b : {depth, type, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(b));
  chunk("IHDR", header);
  if (!palette.empty()) chunk("PLTE", palette);
  bytes filtered;
  const std::size_t row = rows.size() / static_cast<std::size_t>(height);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    filtered.push_back(0);
    filtered.insert(filtered.end(), rows.begin() + static_cast<std::ptrdiff_t>(y * row),
                    rows.begin() + static_cast<std::ptrdiff_t>((y + 1) * row));
  }
  uLongf size = compressBound(filtered.size());
  bytes packed(size);
  compress(packed.data(), &size, filtered.data(), filtered.size());
  packed.resize(size);
  chunk("IDAT", packed);
  chunk("IEND", {});
  return out;
}

}  // namespace

TEST_CASE("pixels come out as they went in: grey in all channels, alpha dropped") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  decoded d;
  for (int trial = 0; trial < 200; ++trial) {
    const int stored = 1 + trial % 4, h = 1 + below(40), w = 1 + below(40);
    const picture p = random_picture(h, w, stored, random(), 200);
    const bytes file = write_png(p);
    image_part part;
    part.top = below(h);
    part.left = below(w);
    part.height = 1 + below(h - part.top);
    part.width = 1 + below(w - part.left);
    for (const bool bgr : {false, true})
      for (const int channels : {1, 3}) {
        const image_view v = d(file, {.channels = channels, .order = fc::data::channel_order(bgr)}, part);
        REQUIRE(v.height == part.height);
        REQUIRE(v.width == part.width);
        REQUIRE(v.channels == channels);
        int wrong = 0;
        for (int y = 0; y < v.height; ++y)
          for (int x = 0; x < v.width; ++x)
            for (int c = 0; c < channels; ++c) {
              const auto pixel = [&](int k) { return p.at(part.top + y, part.left + x, k); };
              const double expected = stored <= 2     ? pixel(0)
                                      : channels == 3 ? pixel(bgr ? 2 - c : c)
                                                      : 0.299 * pixel(0) + 0.587 * pixel(1) + 0.114 * pixel(2);
              wrong += std::abs(at(v, c, y, x) - expected) > (stored > 2 && channels == 1 ? 0.51 : 0);
            }
        CHECK(wrong == 0);
      }
  }
}

TEST_CASE("palettes, few bits and many become bytes") {
  decoded d;
  const image_view palette = d(raw_png(1, 3, 8, 3, {2, 0, 1}, {10, 20, 30, 40, 50, 60, 70, 80, 90}), {});
  for (int c = 0; c < 3; ++c) {
    CHECK(at(palette, c, 0, 0) == 70 + 10 * c);
    CHECK(at(palette, c, 0, 1) == 10 + 10 * c);
    CHECK(at(palette, c, 0, 2) == 40 + 10 * c);
  }
  const image_view bits = d(raw_png(2, 9, 1, 0, {0b10110010, 0x80, 0b01000000, 0}), {.channels = 1});
  for (int x = 0; x < 9; ++x) {
    CHECK(at(bits, 0, 0, x) == (x == 0 || x == 2 || x == 3 || x == 6 || x == 8 ? 255 : 0));
    CHECK(at(bits, 0, 1, x) == (x == 1 ? 255 : 0));
  }
  const image_view deep = d(raw_png(1, 2, 16, 0, {0x12, 0x12, 0xfe, 0xfe}), {.channels = 1});
  CHECK(at(deep, 0, 0, 0) == 0x12);
  CHECK(at(deep, 0, 0, 1) == 0xfe);
}

TEST_CASE("what is cut off, damaged or claims too much is refused, and the decoder is as good as new") {
  decoded d;
  for (int channels = 1; channels <= 4; ++channels) {
    const picture p = random_picture(17, 23, channels, 5, 200);
    const bytes file = write_png(p);
    const std::size_t data = file.size() - 16;  // IEND, and the check sum before it, are not needed for the pixels
    for (std::size_t length = 8; length < data; length += 1 + length / 50) {
      const refusal r = refused(d, bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)));
      CAPTURE(length);
      CHECK(!r.what.empty());
      CHECK(r.offset <= length);
      CHECK(r.offset > 0);
    }
    for (std::size_t at_byte = 8; at_byte < data; at_byte += 1 + at_byte / 50) {
      if (at_byte >= 37 && at_byte < 46) continue;  // in the chunk sRGB, without which the image is the same
      bytes bad = file;
      bad[at_byte] ^= 0x10;
      CAPTURE(at_byte);
      CHECK(!refused(d, bad).what.empty());
    }
    CHECK(at(d(file, {}), 0, 0, 0) == p.at(0, 0, 0));
  }
  CHECK(refused(d, raw_png(30000, 30000, 1, 0, {})).says("expected 1 to"));
  CHECK(refused(d, raw_png(8000, 8000, 1, 0, {})).says("cannot hold them"));
  const bytes small = raw_png(2, 9, 1, 0, {0, 0, 0, 0});
  CHECK(refused(d, small, {.most_pixels = 17}).says("claims 2 x 9 pixels, expected 1 to 17"));
  CHECK(refused(d, small, {.most_pixels = 18}).what.empty());
  CHECK(!refused(d, raw_png(3, 9, 1, 0, {0, 0, 0})).what.empty());  // fewer rows' bytes than it says
}
