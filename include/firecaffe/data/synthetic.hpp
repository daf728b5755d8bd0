#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../core/shape.hpp"

namespace firecaffe::data {

struct synthetic_options {
  std::size_t samples = 1024;
  shape extents = {};
  int classes = 10;
  std::uint64_t seed = 0;
  float signal = 0;  // 0: nothing to learn; 1: a class's pattern as strong as the noise
};

// Images and labels out of a random number generator, for measurements and tests; no file is read. A sample depends on
// (seed, index) alone. Its label is uniform over the classes, its values are u + signal * v with u uniform in (-1, 1)
// per sample and v uniform in (-1, 1) per class.
class synthetic {
 public:
  // Throws usage_error for extents or classes below 1.
  explicit synthetic(const synthetic_options& o) : options_(o) {
    const shape& s = o.extents;
    if (std::min({s.channels, s.height, s.width, s.depth, o.classes}) < 1)
      throw usage_error("data::synthetic: extents and classes must be at least 1");
  }

  std::size_t size() const { return options_.samples; }
  shape extents() const { return options_.extents; }
  int classes() const { return options_.classes; }

  void read(std::size_t index, float* values, std::int32_t* label) const {
    if (index >= size())
      throw usage_error("data::synthetic: sample " + std::to_string(index) + " of " + std::to_string(size()));
    const random_key sample = key(index, label_part);
    const std::uint64_t scaled = std::uint64_t{random_word(sample, 0)} * static_cast<std::uint64_t>(options_.classes);
    *label = static_cast<std::int32_t>(scaled >> 32);
    std::fill_n(values, options_.extents.elements(), 0.0f);
    add(key(index, noise_part), 1, values);
    if (options_.signal != 0) add(key(static_cast<std::size_t>(*label), pattern_part), options_.signal, values);
  }

 private:
  enum part : std::uint32_t { label_part, noise_part, pattern_part };

  random_key key(std::size_t index, part what) const {
    const std::uint64_t i = index;
    return {options_.seed, static_cast<std::uint32_t>(i >> 32), static_cast<std::uint32_t>(i), random_use::test, what};
  }

  // Adds weight * uniform(-1, 1) to every value.
  void add(const random_key& stream, float weight, float* values) const {
    const std::int64_t elements = options_.extents.elements();
    for (std::int64_t i = 0; i < elements; i += 4) {
      const random_block words = random_words(stream, static_cast<std::uint32_t>(i / 4));
      for (std::int64_t j = i; j < std::min(i + 4, elements); ++j)
        values[j] += weight * static_cast<float>(2 * to_unit(words.word[j - i]) - 1);
    }
  }

  synthetic_options options_;
};

}  // namespace firecaffe::data
