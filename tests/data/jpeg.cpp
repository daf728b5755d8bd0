#include "firecaffe/data/jpeg.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "pictures.hpp"
#include "refusal.hpp"

namespace fc = firecaffe;
using fc::data::image_options;
using fc::data::image_part;
using fc::data::image_view;
using fc::data::jpeg_decoder;

namespace {

struct decoded {
  jpeg_decoder decoder;
  bytes memory;
  image_view operator()(const bytes& file, const image_options& o, image_part part = {}) {
    memory.assign(memory.size(), 0xA5);
    decoder.open(file.data(), file.size(), "a.jpg", o);
    if (part.height == 0) part = {0, 0, decoder.height(), decoder.width(), 0, 0};
    return decoder.decode(part, "a.jpg", o, memory);
  }
};

std::uint8_t at(const image_view& v, int c, int y, int x) { return v.bytes[c * v.channel + y * v.row + x * v.pixel]; }

// The view is `p` from row `top` and column `left` on; channel c of the view is channel order[c] of `p`.
int differences(const image_view& v, const picture& p, int top, int left, const std::vector<int>& order) {
  int wrong = v.channels != static_cast<int>(order.size());
  for (int c = 0; c < v.channels; ++c)
    for (int y = 0; y < v.height; ++y)
      for (int x = 0; x < v.width; ++x)
        wrong += at(v, c, y, x) != p.at(top + y, left + x, order[static_cast<std::size_t>(c)]);
  return wrong;
}

refusal refused(decoded& d, const bytes& file, const image_options& o = {}, image_part part = {}) {
  refusal r = refusal_of([&] { d(file, o, part); });
  if (!r.what.empty()) CHECK(r.path == "a.jpg");
  return r;
}

const jpeg_settings kinds[] = {
    {},
    {.quality = 75, .across = 1, .down = 1},
    {.across = 2, .down = 1},
    {.across = 1, .down = 2},
    {.across = 4, .down = 1},
    {.progressive = true},
    {.across = 2, .down = 1, .progressive = true},
    {.restart = 2},
    {.across = 1, .down = 1, .stored = JCS_RGB},
};

}  // namespace

TEST_CASE("an image is what libjpeg makes of it, and a part is that part of it") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  decoded d;
  for (int trial = 0; trial < 600; ++trial) {
    const int h = 1 + below(trial % 3 == 0 ? 20 : 150), w = 1 + below(trial % 2 == 0 ? 20 : 150);
    const int kind = below(std::size(kinds));
    const bool grey = below(5) == 0;
    const bytes file = write_jpeg(random_picture(h, w, grey ? 1 : 3, random()), kinds[kind]);
    CAPTURE(h);
    CAPTURE(w);
    CAPTURE(kind);
    CAPTURE(grey);
    const picture rgb = read_jpeg(file, JCS_RGB), y = read_jpeg(file, JCS_GRAYSCALE);
    REQUIRE(differences(d(file, {}), rgb, 0, 0, {0, 1, 2}) == 0);
    REQUIRE(differences(d(file, {.order = fc::data::channel_order::bgr}), rgb, 0, 0, {2, 1, 0}) == 0);
    REQUIRE(differences(d(file, {.channels = 1}), y, 0, 0, {0}) == 0);
    image_part part;
    part.top = below(h);
    part.left = below(w);
    part.height = 1 + below(h - part.top);
    part.width = 1 + below(w - part.left);
    CAPTURE(part.top);
    CAPTURE(part.left);
    CAPTURE(part.height);
    CAPTURE(part.width);
    const image_view v = d(file, {}, part);
    REQUIRE(v.height == part.height);
    REQUIRE(v.width == part.width);
    REQUIRE(v.zoom == 1);
    REQUIRE(v.top == 0);
    REQUIRE(v.left == 0);
    REQUIRE(differences(v, rgb, part.top, part.left, {0, 1, 2}) == 0);
    REQUIRE(differences(d(file, {.channels = 1}, part), y, part.top, part.left, {0}) == 0);
  }
}

TEST_CASE("where fewer pixels will do, the image is reduced, and the view says where the part lies in it") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  decoded d;
  int reduced = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const int h = 1 + below(200), w = 1 + below(200), kind = below(std::size(kinds));
    const bytes file = write_jpeg(random_picture(h, w, 3, random()), kinds[kind]);
    image_part part;
    part.top = below(h);
    part.left = below(w);
    part.height = 1 + below(h - part.top);
    part.width = 1 + below(w - part.left);
    part.least_height = 1 + below(part.height);
    part.least_width = 1 + below(part.width);
    CAPTURE(h);
    CAPTURE(w);
    CAPTURE(kind);
    const image_view v = d(file, {}, part);
    const auto num = static_cast<unsigned>(v.zoom * 8);
    CHECK((num == 8 || num == 4 || num == 2 || num == 1));
    reduced += num < 8;
    CHECK(v.zoom * part.height >= part.least_height);
    CHECK(v.zoom * part.width >= part.least_width);
    CHECK((num == 1 || v.zoom * part.height < 2 * part.least_height || v.zoom * part.width < 2 * part.least_width));
    const picture whole = read_jpeg(file, JCS_RGB, num);
    const int top = static_cast<int>(part.top * v.zoom), left = static_cast<int>(part.left * v.zoom);
    CHECK(v.top == part.top * v.zoom - top);
    CHECK(v.left == part.left * v.zoom - left);
    CHECK(v.height == static_cast<int>(std::ceil((part.top + part.height) * v.zoom)) - top);
    CHECK(v.width == static_cast<int>(std::ceil((part.left + part.width) * v.zoom)) - left);
    REQUIRE(differences(v, whole, top, left, {0, 1, 2}) == 0);
  }
  CHECK(reduced > 20);
}

TEST_CASE("inks become red, green and blue") {
  const picture inks = random_picture(20, 30, 4, 7);
  decoded d;
  for (const bool adobe : {false, true})
    for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
      if (!adobe && stored == JCS_YCCK) continue;  // without the marker nobody can know
      const bytes file = write_jpeg(inks, {.adobe_inks = adobe, .stored = stored});
      const picture found = read_jpeg(file, JCS_CMYK);
      const image_view v = d(file, {});
      int wrong = 0;
      for (int y = 0; y < 20; ++y)
        for (int x = 0; x < 30; ++x)
          for (int c = 0; c < 3; ++c) {
            const double ink = adobe ? 255 - found.at(y, x, c) : found.at(y, x, c);
            const double black = adobe ? 255 - found.at(y, x, 3) : found.at(y, x, 3);
            wrong += std::abs(at(v, c, y, x) - (255 - ink) * (255 - black) / 255) > 0.51;
          }
      CHECK(wrong == 0);
      const int red = at(v, 0, 3, 4), green = at(v, 1, 3, 4), blue = at(v, 2, 3, 4);
      CHECK(std::abs(at(d(file, {.channels = 1}), 0, 3, 4) - (0.299 * red + 0.587 * green + 0.114 * blue)) < 0.6);
    }
}

TEST_CASE("what is cut off, damaged or claims too much is refused, and the decoder is as good as new") {
  decoded d;
  const bytes good = write_jpeg(random_picture(40, 50, 3, 1));
  const picture expected = read_jpeg(good, JCS_RGB);
  for (const jpeg_settings& kind : kinds) {
    const bytes file = write_jpeg(random_picture(40, 50, 3, 2), kind);
    for (std::size_t length = 3; length < file.size(); length += 1 + length / 40) {
      const bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length));
      CAPTURE(length);
      for (const int rows : {0, 8}) {  // all; fewer than are there
        const refusal r = refused(d, cut, {}, {0, 0, rows, 50, 0, 0});
        CHECK(r.says("JPEG"));
        CHECK(r.offset <= length);
        CHECK(r.offset + 2 >= std::min<std::size_t>(length, 2));
      }
    }
    CHECK(refused(d, file, {}, {0, 0, 8, 50, 0, 0}).what.empty());
    REQUIRE(differences(d(good, {}), expected, 0, 0, {0, 1, 2}) == 0);
  }

  // Where the frame header is, and where the first scan begins.
  std::size_t frame = 2, scan = 0;
  while (good[frame + 1] != 0xc0) frame += 2 + std::size_t{good[frame + 2]} * 256 + good[frame + 3];
  scan = frame;
  while (good[scan + 1] != 0xda) scan += 2 + std::size_t{good[scan + 2]} * 256 + good[scan + 3];
  bytes bad = good;
  bad[frame + 5] = bad[frame + 7] = 0xfe;  // 65064 x 65074 pixels
  bad[frame + 6] = bad[frame + 8] = 0x28;
  CHECK(refused(d, bad).says("claims 65064 x 65064 pixels, expected"));
  CHECK(refused(d, good, {.most_pixels = 1999}).says("claims 40 x 50 pixels, expected 1 to 1999"));
  CHECK(refused(d, good, {.most_pixels = 2000}).what.empty());
  bad[frame + 5] = bad[frame + 7] = 0x1f;
  CHECK(refused(d, bad).says("cannot hold them"));
  bad = good;
  for (std::size_t i = scan + 40; i < scan + 60; ++i) bad[i] = 0xff;
  CHECK(!refused(d, bad).what.empty());
  bad = good;
  bad[frame + 9] = 2;  // components
  CHECK(!refused(d, bad).what.empty());
  bad = good;
  bad.insert(bad.begin() + 2, {0x12, 0x34});  // bytes between segments
  CHECK(refused(d, bad).what.empty());
  CHECK(!refused(d, {0xff, 0xd8, 0xff}).what.empty());
  CHECK(!refused(d, {0xff, 0xd8, 0xff, 0xd9}).what.empty());
  REQUIRE(differences(d(good, {}), expected, 0, 0, {0, 1, 2}) == 0);
}

TEST_CASE("a progressive file cannot ask for endless work") {
  const bytes file = write_jpeg(random_picture(16, 16, 3, 3), {.progressive = true});
  // Its first scan, many times over.
  std::size_t first = 2;
  while (file[first + 1] != 0xda) first += 2 + std::size_t{file[first + 2]} * 256 + file[first + 3];
  std::size_t end = first + 2;
  while (file[end] != 0xff || file[end + 1] == 0) ++end;
  bytes many(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(first));
  for (int i = 0; i < 200; ++i)
    many.insert(many.end(), file.begin() + static_cast<std::ptrdiff_t>(first),
                file.begin() + static_cast<std::ptrdiff_t>(end));
  many.insert(many.end(), file.begin() + static_cast<std::ptrdiff_t>(end), file.end());
  decoded d;
  const refusal r = refused(d, many);
  CAPTURE(r.what);
  CHECK(r.says("more than 100 scans"));
}
