#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "image.hpp"
#include "resample.hpp"

namespace firecaffe::data {

// Which rectangle of an image is resized:
//   stretch       all of it, whatever its aspect (Caffe's new_height and new_width)
//   centre        what a centre crop keeps after the image was resized to have a shorter side of `shorter`
//   random_area   a random part of the area, with a random aspect: Szegedy et al., "Going deeper with convolutions"
//                 (CVPR 2015), section 6
enum class resize_mode { stretch, centre, random_area };

struct resize_options {
  resize_mode mode = resize_mode::random_area;
  int height = 224, width = 224;                         // of the result
  int shorter = 256;                                     // centre only; at least height and width
  double least_area = 0.08, most_area = 1;               // random_area only: uniform, as a part of the image's
  double least_aspect = 3.0 / 4, most_aspect = 4.0 / 3;  // width over height, its logarithm uniform
  std::uint64_t seed = 0;
};

// An image source of images of one size, made of another by bilinear resizing; see resample.hpp. Where the result is
// much smaller than the rectangle, JPEG files are decoded at a half, a quarter or an eighth of their size to begin
// with.
template <image_source Source>
class resized {
 public:
  using target = typename Source::target;
  struct scratch {
    typename Source::scratch inner;
    resample_scratch resampling;
  };

  // Throws usage_error for options that make no sense.
  resized(Source source, const resize_options& o) : source_(std::move(source)), options_(o) {
    if (o.height < 1 || o.width < 1) throw usage_error("data::resized: height and width must be at least 1");
    if (o.mode == resize_mode::centre && o.shorter < std::max(o.height, o.width))
      throw usage_error("data::resized: a shorter side of " + std::to_string(o.shorter) + " does not hold the crop");
    if (o.mode == resize_mode::random_area &&
        !(0 < o.least_area && o.least_area <= o.most_area && o.most_area <= 1 && 0 < o.least_aspect &&
          o.least_aspect <= o.most_aspect && std::isfinite(o.most_aspect)))
      throw usage_error("data::resized: areas must be in (0, 1], aspects positive, the least not above the most");
  }

  std::size_t size() const { return source_.size(); }
  int channels() const { return source_.channels(); }
  shape target_extents() const requires std::same_as<target, float> { return source_.target_extents(); }

  template <class Choose>
  image_view image(std::size_t index, int epoch, Choose&& choose, scratch& s, target* t) const {
    box wanted;
    image_part part;
    const image_view v = source_.image(
        index, epoch,
        [&](int height, int width) {
          wanted = choose_box(transform_key(options_.seed, epoch, index, transform_use::resized_crop), height, width);
          return part = around(wanted, height, width);
        },
        s.inner, t);
    const box inside{v.top + (wanted.top - part.top) * v.zoom, v.left + (wanted.left - part.left) * v.zoom,
                     wanted.height * v.zoom, wanted.width * v.zoom};
    return part_of(resample(v, inside, options_.height, options_.width, s.resampling),
                   choose(options_.height, options_.width));
  }

 private:
  box choose_box(const random_key& key, int height, int width) const {
    const double h = height, w = width;
    if (options_.mode == resize_mode::stretch) return {0, 0, h, w};
    if (options_.mode == resize_mode::centre) {
      const double pixels = std::min(h, w) / options_.shorter;
      const double high = pixels * options_.height, wide = pixels * options_.width;
      return {(h - high) / 2, (w - wide) / 2, high, wide};
    }
    const double low = std::log(options_.least_aspect), range = std::log(options_.most_aspect) - low;
    for (std::uint32_t attempt = 0; attempt < 10; ++attempt) {
      const random_block r = random_words(key, attempt);
      const double area =
          h * w * (options_.least_area + to_unit(r.word[0]) * (options_.most_area - options_.least_area));
      const double aspect = std::exp(low + to_unit(r.word[1]) * range);
      const double high = std::max(1.0, std::round(std::sqrt(area / aspect)));
      const double wide = std::max(1.0, std::round(std::sqrt(area * aspect)));
      if (high > h || wide > w) continue;
      return {std::floor(to_unit(r.word[2]) * (h - high + 1)), std::floor(to_unit(r.word[3]) * (w - wide + 1)), high,
              wide};
    }
    // An image so long or so high that nothing fitted: the largest part of an allowed aspect in its middle.
    const double aspect = std::clamp(w / h, options_.least_aspect, options_.most_aspect);
    const double high = std::max(1.0, std::min(h, std::round(w / aspect)));
    const double wide = std::max(1.0, std::min(w, std::round(h * aspect)));
    return {std::floor((h - high) / 2), std::floor((w - wide) / 2), high, wide};
  }

  // The whole pixels that the box touches, and a few more on each side where the triangle is wider than the box.
  image_part around(const box& b, int height, int width) const {
    const double down = std::max(1.0, b.height / options_.height), right = std::max(1.0, b.width / options_.width);
    const int top = std::max(0, static_cast<int>(b.top - down)), left = std::max(0, static_cast<int>(b.left - right));
    const int bottom = std::min(height, static_cast<int>(std::ceil(b.top + b.height + down)));
    const int end = std::min(width, static_cast<int>(std::ceil(b.left + b.width + right)));
    // Reduced, the box itself must keep the result's size.
    return {top,
            left,
            bottom - top,
            end - left,
            static_cast<int>(std::ceil((bottom - top) / b.height * options_.height)),
            static_cast<int>(std::ceil((end - left) / b.width * options_.width))};
  }

  Source source_;
  resize_options options_;
};

}  // namespace firecaffe::data
