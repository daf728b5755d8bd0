#pragma once

#include <type_traits>

#include "../core/layer.hpp"
#include "../core/options.hpp"

namespace firecaffe {

struct batch_norm_settings {
  double epsilon = 1e-5, follow = 0.1;
  int grain = 0;  // 0: all samples of the pass
  bool affine = true;
  parameter_settings weight{constant<ratio<1>>::value}, bias_settings{constant<>::value};
};

// What is added to a variance before the root is taken.
template <class Ratio>
struct epsilon {
  static_assert(Ratio::num > 0, "epsilon must be positive: where all inputs are equal, its root is what is divided by");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.epsilon;
  }
  { s.epsilon = value_of<Ratio>; }
};

// The share of the way that running statistics go towards those of a step: PyTorch's momentum, 1 less Caffe's
// moving_average_fraction.
template <class Ratio>
struct follow {
  static_assert(Ratio::num > 0 && Ratio::num <= Ratio::den, "follow must be in (0, 1]");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.follow;
  }
  { s.follow = value_of<Ratio>; }
};

// Statistics are taken over each `Samples` consecutive samples of a pass apart.
template <int Samples>
struct grain {
  static_assert(Samples > 0, "grain: the number of samples must be positive");
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.grain;
  }
  { s.grain = Samples; }
};

// No weight and no bias, as in Caffe's BatchNorm.
struct no_affine {
  template <class Settings>
  static constexpr void apply(Settings& s) requires requires {
    s.affine;
  }
  { s.affine = false; }
};

template <class T>
struct running_statistics {
  T running_mean;
  T running_variance;
};

template <class T>
struct affine_and_statistics {
  T weight;
  T bias;
  T running_mean;
  T running_variance;
};

// Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167, algorithms 1 and 2): with mean and variance of each
// channel over the m = samples * pixels elements that it has in the pass,
//   z = (x - mean) / sqrt(variance + epsilon),   y = weight[c] z + bias[c]
//   dx = weight / sqrt(variance + epsilon) * (dy - mean of dy - z * mean of (dy z)),   dweight = sum of dy z,
//   dbias = sum of dy
// In training the variance is the mean square deviation. Evaluation takes the running mean and variance, and its
// backward pass holds them fixed; they follow each step's mean and unbiased variance (that over m - 1; for m = 1 it is
// 0), as in PyTorch and Caffe. Each rank normalises its own samples; the statistics followed are the ranks' mean,
// weighted by their samples.
//
// Options: epsilon<Ratio> (1e-5), follow<Ratio> (1/10), no_affine, weight_filler<F> (1), bias_filler<F> (0),
// weight_lr_mult<R>, weight_decay_mult<R>, bias_lr_mult<R>, bias_decay_mult<R> (1), and grain<G>: each G consecutive
// samples are normalised apart, and the rest of a pass by itself ("ghost batches", Hoffer et al. 2017, arXiv
// 1705.08741), so that results do not depend on the number of ranks where G divides each rank's share of the batch.
template <class... Options>
struct batch_norm : layer_defaults {
  static constexpr const char* name = "batch_norm";
  static constexpr batch_norm_settings settings = configure<batch_norm_settings, Options...>();
  template <class T>
  using parameters = std::conditional_t<settings.affine, affine_and_statistics<T>, running_statistics<T>>;

  static constexpr shape output(shape in) { return in; }

  static constexpr parameters<parameter> describe(shape in) {
    constexpr float follows = float(settings.follow);
    parameters<parameter> p{};
    if constexpr (settings.affine) {
      p.weight = {"weight", in.channels, 1, 1, settings.weight};
      p.bias = {"bias", in.channels, 1, 1, settings.bias_settings};
    }
    p.running_mean = {"running_mean", in.channels, 1, 1, {constant<>::value}, follows};
    p.running_variance = {"running_variance", in.channels, 1, 1, {constant<ratio<1>>::value}, follows};
    return p;
  }

  // The samples normalised together with sample `first`, the first of its group.
  static constexpr int group(int first, int samples) {
    return settings.grain > 0 && samples - first > settings.grain ? settings.grain : samples - first;
  }
  static constexpr int groups(int samples) {
    return settings.grain > 0 ? (samples + settings.grain - 1) / settings.grain : samples > 0;
  }

  // Of each element: four for the sums, three for the result.
  static constexpr std::int64_t flops(shape in) { return 7 * in.elements(); }
};

}  // namespace firecaffe
