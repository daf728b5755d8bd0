// Opens what --train and --val name.
#include <firecaffe/core/error.hpp>
#include <firecaffe/data/cifar.hpp>
#include <firecaffe/data/folder.hpp>
#include <firecaffe/data/hdf5.hpp>
#include <firecaffe/data/idx.hpp>
#include <firecaffe/data/list.hpp>
#include <firecaffe/data/lmdb.hpp>
#include <firecaffe/data/mean_file.hpp>
#include <firecaffe/data/resize.hpp>
#include <firecaffe/data/synthetic.hpp>
#include <firecaffe/data/transform.hpp>

#include "settings.hpp"

namespace data = firecaffe::data;
using firecaffe::shape;
using firecaffe::usage_error;

std::string data_kinds() {
  return "  folder:DIR             JPEG and PNG files in one folder for each class\n"
         "  list:FILE[,ROOT]       `path label` on each line, paths below ROOT\n"
         "  lmdb:DIR               Caffe's database of Datum messages\n"
         "  cifar10:DIR            the binary version; cifar100:DIR likewise\n"
         "  idx:IMAGES,LABELS      MNIST and its kind\n"
         "  hdf5:FILE[,FILE...]    data sets `data` and `label`, taken as they are\n"
         "  synthetic[:N]          N random images (10000), nothing to learn\n";
}

static std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text)
    if (c == ',')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

// An image source cropped, mirrored and scaled to what the network takes.
template <class Source>
static data::any_dataset prepared(Source source, const settings& s, shape input, bool training) {
  data::transform_options t{.crop_height = input.height,
                            .crop_width = input.width,
                            .training = training,
                            .mirror = s.mirror,
                            .scale = s.scale,
                            .mean_values = s.mean,
                            .mean = {},
                            .seed = s.seed};
  if (!s.mean_file.empty()) t.mean = data::read_mean_file(s.mean_file);
  if (s.mean.empty() && s.mean_file.empty() && input.channels == 3)
    t.mean_values = s.bgr ? std::vector<float>{104, 117, 123} : std::vector<float>{123, 117, 104};
  if (s.augment == "crop") {
    if (s.resize == 0) return data::transformed(std::move(source), std::move(t));
    return data::transformed(
        data::resized(std::move(source),
                      {.mode = data::resize_mode::stretch, .height = s.resize, .width = s.resize, .seed = s.seed}),
        std::move(t));
  }
  const int longer = input.height > input.width ? input.height : input.width;
  return data::transformed(
      data::resized(std::move(source), {.mode = training ? data::resize_mode::random_area : data::resize_mode::centre,
                                        .height = input.height,
                                        .width = input.width,
                                        .shorter = s.resize > longer ? s.resize : longer,
                                        .seed = s.seed}),
      std::move(t));
}

data::any_dataset open_data(const std::string& place, const settings& s, shape input, int classes, bool training) {
  const std::size_t colon = place.find(':');
  const std::string kind = place.substr(0, colon), rest = colon == place.npos ? "" : place.substr(colon + 1);
  const std::vector<std::string> parts = split(rest);
  const data::channel_order order = s.bgr ? data::channel_order::bgr : data::channel_order::rgb;
  const data::image_options images{.channels = input.channels, .order = order};
  if (kind == "synthetic")
    return data::synthetic(
        {.samples = rest.empty() ? 10'000u : std::stoul(rest), .extents = input, .classes = classes, .seed = s.seed});
  if (rest.empty()) throw usage_error("say where: " + kind + ":PLACE; --help lists the kinds of data");
  if (kind == "folder") return prepared(data::folder(rest, images), s, input, training);
  if (kind == "list")
    return prepared(data::list(parts[0], parts.size() > 1 ? parts[1] : "", images, classes), s, input, training);
  if (kind == "lmdb") return prepared(data::lmdb(rest, {.images = images}), s, input, training);
  if (kind == "cifar10" || kind == "cifar100") {
    const auto labels = kind == "cifar10" ? data::cifar_labels::ten : data::cifar_labels::fine;
    return prepared(data::cifar(data::cifar_files(rest, training, labels), {.labels = labels, .order = order}), s,
                    input, training);
  }
  if (kind == "hdf5") return data::hdf5(parts);
  if (kind == "idx") {
    if (parts.size() != 2) throw usage_error("idx:IMAGES,LABELS names two files");
    data::idx set(parts[0], parts[1], {.classes = classes});
    if (set.extents() == input) return set;
    return prepared(data::as_images(std::move(set)), s, input, training);
  }
  throw usage_error("no kind of data is called " + kind + ". There are:\n" + data_kinds());
}
