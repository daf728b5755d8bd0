#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/random.hpp"
#include "dataset.hpp"

namespace firecaffe::data {

// In which order readers give the channels of colour images. Caffe's published models want bgr.
enum class channel_order { rgb, bgr };

// An image somewhere in memory: planes or interleaved, bytes or floats. Strides count elements; they may be negative
// (bgr out of rgb) or 0 (grey as three channels), so that cropping and reordering copy nothing.
struct image_view {
  const std::uint8_t* bytes = nullptr;
  const float* floats = nullptr;  // instead of bytes, from sources of floats
  int channels = 0, height = 0, width = 0;
  std::ptrdiff_t channel = 0, row = 0, pixel = 0;
  // Where the corner of the wanted part lies in the view, and how long a pixel of the source is here: 1, or less where
  // the source was free to reduce (see image_part).
  double top = 0, left = 0, zoom = 1;
};

// (C, H, W), one plane after the other.
constexpr image_view planar_view(int channels, int height, int width) {
  return {nullptr, nullptr, channels, height, width, std::ptrdiff_t{height} * width, width, 1};
}

constexpr image_view moved(image_view v, std::ptrdiff_t elements) {
  if (v.bytes) v.bytes += elements;
  if (v.floats) v.floats += elements;
  return v;
}

// The same image, channels in the opposite order.
constexpr image_view reversed_channels(const image_view& v) {
  image_view r = moved(v, (v.channels - 1) * v.channel);
  r.channel = -v.channel;
  return r;
}

// What a transform wants of an image: a rectangle inside it. A source may deliver it reduced, edges rounded outwards,
// as long as height and width do not fall below these; 0: not reduced.
struct image_part {
  int top = 0, left = 0, height = 0, width = 0;
  int least_height = 0, least_width = 0;
};

constexpr image_view part_of(const image_view& v, const image_part& part) {
  image_view r = moved(v, part.top * v.row + part.left * v.pixel);
  r.height = part.height;
  r.width = part.width;
  return r;
}

struct whole_image {
  constexpr image_part operator()(int height, int width) const { return {0, 0, height, width, 0, 0}; }
};

// An image source is anything with these members, safe to call from several threads at once:
//
//   std::size_t size() const;             how many images; they may differ in size
//   int channels() const;                 of every one
//   using target = std::int32_t;          what comes with an image: a label, or float for regression (and then
//                                         shape target_extents() const)
//   struct scratch;                       working memory of one caller: made empty, used over and over
//   image_view image(std::size_t index, int epoch, Choose choose, scratch&, target*) const;
//
// `image` calls choose(height, width) -> image_part once it knows the image's size, before it decodes it. The view it
// returns is valid until the next call with the same scratch. What cannot be read is a file_error or a usage_error.
template <class S>
concept image_source = requires(const S& s, std::size_t index, int epoch, whole_image choose,
                                typename S::scratch& scratch, typename S::target* target) {
  { s.size() } -> std::convertible_to<std::size_t>;
  { s.channels() } -> std::same_as<int>;
  { s.image(index, epoch, choose, scratch, target) } -> std::same_as<image_view>;
};

// Any data set of two-dimensional samples as a source of float images, so that transforms apply to it.
template <dataset Dataset>
class as_images {
 public:
  using target = target_type<Dataset>;
  struct scratch {
    std::vector<float> values;
  };

  // Throws usage_error for samples with depth.
  explicit as_images(Dataset dataset) : dataset_(std::move(dataset)), extents_(dataset_.extents()) {
    if (extents_.depth != 1) throw usage_error("data::as_images: the samples have a depth, they are no images");
  }

  std::size_t size() const { return dataset_.size(); }
  int channels() const { return extents_.channels; }
  shape target_extents() const requires regression_dataset<Dataset> { return dataset_.target_extents(); }

  template <class Choose>
  image_view image(std::size_t index, int epoch, Choose&& choose, scratch& s, target* t) const {
    s.values.resize(static_cast<std::size_t>(extents_.elements()));
    read_sample(dataset_, index, epoch, s.values.data(), t);
    image_view v = planar_view(extents_.channels, extents_.height, extents_.width);
    v.floats = s.values.data();
    return part_of(v, choose(v.height, v.width));
  }

 private:
  Dataset dataset_;
  shape extents_;
};

// Random numbers of transforms: a stream for each (seed, epoch, sample) and each use of it. Neither ranks nor threads
// enter.
enum class transform_use : std::uint32_t { crop_and_mirror, resized_crop };

constexpr random_key transform_key(std::uint64_t seed, int epoch, std::size_t index, transform_use use) {
  const std::uint64_t i = index;
  return {seed, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(i), random_use::transform,
          static_cast<std::uint32_t>(use) | static_cast<std::uint32_t>(i >> 32) << 4};
}

// Uniform in [0, n).
constexpr int random_below(const random_key& key, std::uint64_t i, int n) {
  return static_cast<int>(std::uint64_t{random_word(key, i)} * static_cast<std::uint64_t>(n) >> 32);
}

}  // namespace firecaffe::data
