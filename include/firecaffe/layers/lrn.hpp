#pragma once

#include "../core/layer.hpp"
#include "../core/options.hpp"

namespace firecaffe {

struct lrn_settings {
  int local_size = 5;
  double alpha = 1, beta = 0.75, offset = 1;
};

// The channels of a window: odd, so that it has a middle.
template <int Channels>
struct local_size {
  static_assert(Channels >= 1 && Channels % 2 == 1, "local_size must be odd: a window has its channel in the middle");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.local_size;
  }
  { s.local_size = Channels; }
};

template <class Ratio>
struct alpha {
  static_assert(Ratio::num >= 0, "alpha must not be negative");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.alpha;
  }
  { s.alpha = value_of<Ratio>; }
};

template <class Ratio>
struct beta {
  static_assert(Ratio::num > 0, "beta must be positive");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.beta;
  }
  { s.beta = value_of<Ratio>; }
};

// The k of the formula.
template <class Ratio>
struct offset {
  static_assert(Ratio::num > 0, "offset must be positive: where all inputs are zero, it is what is divided by");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.offset;
  }
  { s.offset = value_of<Ratio>; }
};

// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3) with Caffe's scaling of alpha:
//   s[c] = offset + alpha / local_size * sum of x[i]^2 over the local_size channels i around c,   y[c] = x[c]
//   s[c]^-beta dx[c] = dy[c] s[c]^-beta - 2 alpha beta / local_size * x[c] * sum over the same i of dy[i] x[i]
//   s[i]^(-beta - 1)
// Channels beyond the first and last count as zero. Options: local_size<N> (5), alpha<Ratio> (1), beta<Ratio> (3/4),
// offset<Ratio> (1; Caffe's k). The backward pass computes s again: it reads x and dy, and nothing is kept for it.
template <class... Options>
struct lrn : layer_defaults {
  static constexpr const char* name = "lrn";
  static constexpr lrn_settings settings = configure<lrn_settings, Options...>();
  static constexpr shape output(shape in) { return in; }
  // Squares, their sums, and four for the root and the product.
  static constexpr std::int64_t flops(shape in) { return in.elements() * (settings.local_size + 5); }
};

}  // namespace firecaffe
