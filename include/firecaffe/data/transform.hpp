#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "convert.hpp"
#include "image.hpp"
#include "scratch.hpp"

namespace firecaffe::data {

// A mean over images, (C, H, W). read_mean_file (mean_file.hpp) reads Caffe's.
struct mean_image {
  shape extents{.channels = 0, .height = 0, .width = 0};
  std::vector<float> values;
};

// Caffe's transform_param. A value is scale * (x - mean), x the byte as it was decoded, 0 to 255.
struct transform_options {
  int crop_height = 0, crop_width = 0;  // 0: whole images, which must then all be as large as the first
  bool training = true;                 // crops at random and mirrors; else crops the centre, as Caffe's test phase
  bool mirror = false;                  // every other image, at random
  float scale = 1;
  std::vector<float> mean_values{};  // one for all channels, or one each, in the order the source gives the channels
  mean_image mean{};                 // or this one: as large as the images are before they are cropped
  std::uint64_t seed = 0;
};

// The data set made of an image source: crop, mirror, mean and scale, as Caffe's DataTransformer does them. Offsets are
// uniform over all that fit, in testing floor((H - h) / 2). What is random depends on (seed, epoch, index) alone. Only
// the crop is converted to floats.
template <image_source Source>
class transformed {
 public:
  using target = typename Source::target;

  // Throws usage_error for options that make no sense or do not fit the source, and what reading image 0 throws where
  // its size is needed.
  explicit transformed(Source source, transform_options o = {}) : source_(std::move(source)), options_(std::move(o)) {
    extents_ = {source_.channels(), options_.crop_height, options_.crop_width};
    const auto channels = static_cast<std::size_t>(extents_.channels);
    if (options_.crop_height < 0 || options_.crop_width < 0 || (extents_.height == 0) != (extents_.width == 0))
      throw usage_error("data::transformed: both extents of the crop must be given, or neither");
    std::vector<float>& means = options_.mean_values;
    const shape& mean = options_.mean.extents;
    if (!options_.mean.values.empty()) {
      if (!means.empty()) throw usage_error("data::transformed: a mean image and mean values exclude one another");
      if (mean.depth != 1 || static_cast<std::int64_t>(options_.mean.values.size()) != mean.elements() ||
          mean.channels != extents_.channels)
        throw usage_error("data::transformed: the mean image has " + std::to_string(mean.channels) +
                          " channels, the images have " + std::to_string(channels));
    }
    if (means.size() > 1 && means.size() != channels)
      throw usage_error("data::transformed: " + std::to_string(means.size()) + " mean values for " +
                        std::to_string(channels) + " channels");
    means.resize(channels, means.empty() ? 0.0f : means[0]);
    if (extents_.height == 0) {
      if (source_.size() == 0) throw usage_error("data::transformed: the source is empty, its images have no size");
      const auto scratch = pool_->borrow();
      std::vector<target> ignored(target_elements_of());
      const image_view v = source_.image(0, 0, whole_image{}, *scratch, ignored.data());
      extents_.height = v.height;
      extents_.width = v.width;
    }
  }

  std::size_t size() const { return source_.size(); }
  shape extents() const { return extents_; }
  shape target_extents() const requires std::same_as<target, float> { return source_.target_extents(); }
  const Source& source() const { return source_; }

  void read(std::size_t index, float* values, target* t) const { read(index, 0, values, t); }

  // Throws what the source throws, and usage_error for an image that is smaller than the crop, or of another size than
  // the mean image or, without a crop, than the first image.
  void read(std::size_t index, int epoch, float* values, target* t) const {
    const auto scratch = pool_->borrow();
    const random_key key = transform_key(options_.seed, epoch, index, transform_use::crop_and_mirror);
    image_part part;
    const auto choose = [&](int height, int width) { return part = crop(key, index, height, width); };
    const image_view v = source_.image(index, epoch, choose, *scratch, t);
    conversion c{.scale = options_.scale,
                 .mean_values = options_.mean_values.data(),
                 .mirror = options_.training && options_.mirror && random_below(key, 0, 2) == 1};
    if (!options_.mean.values.empty()) {
      const shape& mean = options_.mean.extents;
      c.mean_row = mean.width;
      c.mean_channel = std::ptrdiff_t{mean.height} * mean.width;
      c.mean = options_.mean.values.data() + part.top * c.mean_row + part.left;
    }
    convert(v, c, values);
  }

 private:
  std::size_t target_elements_of() const {
    if constexpr (std::same_as<target, float>)
      return static_cast<std::size_t>(source_.target_extents().elements());
    else
      return 1;
  }

  image_part crop(const random_key& key, std::size_t index, int height, int width) const {
    const shape& mean = options_.mean.extents;
    const bool whole = options_.crop_height == 0;
    if (whole ? height != extents_.height || width != extents_.width
              : height < extents_.height || width < extents_.width)
      refuse(index, height, width, whole ? "the first is " : "the crop is ", extents_);
    if (!options_.mean.values.empty() && (height != mean.height || width != mean.width))
      refuse(index, height, width, "the mean image is ", mean);
    const int down = height - extents_.height, right = width - extents_.width;
    if (!options_.training) return {down / 2, right / 2, extents_.height, extents_.width};
    return {random_below(key, 1, down + 1), random_below(key, 2, right + 1), extents_.height, extents_.width};
  }

  [[noreturn]] static void refuse(std::size_t index, int height, int width, const char* other, const shape& s) {
    throw usage_error("data::transformed: image " + std::to_string(index) + " is " + std::to_string(height) + " x " +
                      std::to_string(width) + ", " + other + std::to_string(s.height) + " x " +
                      std::to_string(s.width));
  }

  using pool = scratch_pool<typename Source::scratch>;

  Source source_;
  transform_options options_;
  shape extents_;
  std::unique_ptr<pool> pool_ = std::make_unique<pool>();  // after source_: scratch may use what the source owns
};

}  // namespace firecaffe::data
