#pragma once

#include <cmath>
#include <vector>

#include "../layers/activations.hpp"
#include "../layers/batch_norm.hpp"
#include "channels.hpp"

namespace firecaffe {

template <class... Options>
constexpr bool cpu_fuses<batch_norm<Options...>, relu> = true;
template <class... Options>
constexpr bool cpu_fuses<summed<batch_norm<Options...>>, identity> = true;
template <class... Options>
constexpr bool cpu_fuses<summed<batch_norm<Options...>>, relu> = true;

// Mean and sum of squared deviations from it, lane by lane.
template <int Width>
struct lane_moments {
  double count = 0, mean[Width] = {}, squares[Width] = {};

  // Joins another set of `n` (Chan, Golub and LeVeque 1983).
  void join(double n, const double* m, const double* s) {
    if (n == 0) return;
    const double whole = count + n;
    for (int l = 0; l < Width; ++l) {
      const double apart = m[l] - mean[l];
      mean[l] += apart * (n / whole);
      squares[l] += s[l] + apart * apart * (count * n / whole);
    }
    count = whole;
  }
};

// Bound by memory: the forward pass reads x twice and writes y, the backward pass reads x and dy twice and writes dx,
// the second time from the cache where the samples' share of a channel block fits. Of the forward pass the backward
// pass keeps mean and variance; whether a ReLU passed an element it computes again from x, or sees in y where that is
// one behind a sum, whose operands' gradient it then writes on the way.
template <int Block, class Layer, class Activation, bool Summed, class Units>
class cpu_batch_norm {
 public:
  static constexpr int width = Units::width;
  static constexpr batch_norm_settings settings = Layer::settings;
  using vec = typename Units::vec;
  using moments = lane_moments<width>;
  using piece = typename Units::piece;
  template <class U>
  using parameters = typename Layer::template parameters<U>;

  cpu_batch_norm(basic_cpu<Block>& device, int batch, const Units& units)
      : walk_(units),
        kept_(std::size_t{2 * width} * std::size_t(walk_.units) * std::size_t(Layer::groups(batch))),
        sums_(kept_.size()),
        moments_(std::size_t(device.threads())),
        parts_(std::size_t{2 * width} * std::size_t(device.threads())) {}

  void forward(basic_cpu<Block>& device, const tensor_view<const float>& x, const tensor_view<float>& y,
               const parameters<const float*>& p, const pass& now) requires(!Summed) {
    normalise(device, x, {}, y, p, now);
  }
  void forward(basic_cpu<Block>& device, const tensor_view<const float>& x, const tensor_view<const float>& other,
               const tensor_view<float>& y, const parameters<const float*>& p, const pass& now) requires(Summed) {
    normalise(device, x, other, y, p, now);
  }

  void backward(basic_cpu<Block>& device, const tensor_view<const float>& x, const tensor_view<const float>& y,
                const tensor_view<float>& dy, const tensor_view<float>& dx, const parameters<const float*>& p,
                const parameters<float*>& gradients, accumulation adds, const pass& now) requires(!Summed) {
    go_back(device, x, y, dy, dy, dx, p, gradients, adds, now);
  }
  void backward(basic_cpu<Block>& device, const tensor_view<const float>& x, const tensor_view<const float>& y,
                const tensor_view<float>& dy, const tensor_view<float>& other, const tensor_view<float>& dx,
                const parameters<const float*>& p, const parameters<float*>& gradients, accumulation adds,
                const pass& now) requires(Summed) {
    go_back(device, x, y, dy, other ? other : dy, dx, p, gradients, adds, now);
  }

 private:
  static constexpr bool rectified = std::is_same_v<Activation, relu>;

  void normalise(basic_cpu<Block>& device, const tensor_view<const float>& x, const tensor_view<const float>& other,
                 const tensor_view<float>& y, const parameters<const float*>& p, const pass& now) {
    for_each_group(device.threads(), x.samples, now, [&](const group& g) {
      const float* px = x.data + walk_.in_unit(g.unit);
      const float* po = Summed ? other.data + walk_.out_unit(g.unit) : nullptr;
      float* py = y.data + walk_.out_unit(g.unit);
      if (now.training) measure(px, g);
      const normaliser all(g, p, now.training);
      walk_.for_each_piece(g.first, g.last, g.parts, [&](const piece& here) {
        const normaliser by = all;  // which no store to memory can change
        here.for_each_vector(other.strides.sample, [&](std::ptrdiff_t in, std::ptrdiff_t out, std::ptrdiff_t there) {
          vec result = (Units::at(px + in) - by.mean) * by.factor + by.bias;
          if constexpr (Summed) result += Units::at(po + there);
          if constexpr (rectified) result = result > 0.0f ? result : vec{};
          Units::at(py + out) = result;
        });
      });
    });
  }

  // `before` gets the gradient of a sum's operands; it may be dy, and is where there is no sum.
  void go_back(basic_cpu<Block>& device, const tensor_view<const float>& x, const tensor_view<const float>& y,
               const tensor_view<float>& dy, const tensor_view<float>& before, const tensor_view<float>& dx,
               const parameters<const float*>& p, const parameters<float*>& gradients, accumulation adds,
               const pass& now) {
    for_each_group(device.threads(), x.samples, now, [&](const group& g) {
      const float *px = x.data + walk_.in_unit(g.unit), *py = y.data + walk_.out_unit(g.unit);
      const float* pdy = dy.data + walk_.out_unit(g.unit);
      float* pb = before.data + walk_.out_unit(g.unit);
      normaliser all(g, p, now.training);
      add_up(px, py, pdy, pb, before.strides.sample, all, g);
      if (!dx) return;
      float* pdx = dx.data + walk_.in_unit(g.unit);
      const double count = double(g.last - g.first) * walk_.pixels;
      for (int l = 0; now.training && l < width; ++l) {
        Units::set(all.mean_slope, l, float(g.sums[l] / count));
        Units::set(all.mean_product, l, float(g.sums[width + l] / count) * Units::get(all.inverse, l));
      }
      walk_.for_each_piece(g.first, g.last, g.parts, [&](const piece& here) {
        const normaliser by = all;
        here.for_each_vector(before.strides.sample, [&](std::ptrdiff_t in, std::ptrdiff_t, std::ptrdiff_t there) {
          const vec apart = Units::at(px + in) - by.mean;
          vec slope = Units::at(pb + there);
          if constexpr (!Summed) by.rectify(apart, slope);
          slope = by.factor * (slope - by.mean_slope - apart * by.mean_product);
          if (adds.input) slope += Units::at(pdx + in);
          Units::at(pdx + in) = slope;
        });
      });
    });
    write_gradients(x.samples, p, gradients, adds.parameters, now);
  }

  // A channel block of samples that are normalised together, to be done in so many parts: its mean and variance, the
  // sums of dy and of dy z.
  struct group {
    int unit, first, last, parts;
    float* kept;
    double* sums;
  };

  // f(group) for all; in evaluation the samples are one.
  template <class F>
  void for_each_group(int threads, int samples, const pass& now, F f) {
    const int groups = now.training ? Layer::groups(samples) : samples > 0;
    walk_.for_each_unit(threads, groups * walk_.units, [&](int i, int parts) {
      const int first = now.training ? i / walk_.units * settings.grain : 0;
      const int last = now.training ? first + Layer::group(first, samples) : samples;
      f(group{i % walk_.units, first, last, parts, kept_.data() + i * 2 * width, sums_.data() + i * 2 * width});
    });
  }

  // y = (x - mean) * factor + bias
  struct normaliser {
    vec mean, inverse, factor, bias = {};
    vec mean_slope = {}, mean_product = {};  // backward: what the statistics' own slopes take off

    normaliser(const group& g, const parameters<const float*>& p, bool training) {
      vec variance;
      if (training) {
        mean = Units::at(g.kept), variance = Units::at(g.kept + width);
      } else {
        Units::load(p.running_mean, g.unit, mean);
        Units::load(p.running_variance, g.unit, variance);
      }
      for (int l = 0; l < width; ++l)
        Units::set(inverse, l, 1.0f / std::sqrt(Units::get(variance, l) + float(settings.epsilon)));
      factor = inverse;
      if constexpr (settings.affine) {
        Units::load(p.weight, g.unit, factor);
        Units::load(p.bias, g.unit, bias);
        factor *= inverse;
      }
    }
    // The gradient behind a ReLU becomes that before it.
    void rectify(const vec& apart, vec& slope) const {
      if constexpr (rectified) slope = apart * factor + bias > 0.0f ? slope : vec{};
    }
  };

  // Each piece is summed about the mean so far, so that no more cancels than the variance itself explains.
  void measure(const float* px, const group& g) {
    moments own;
    moments* shares = g.parts > 1 ? moments_.data() : &own;
    walk_.for_each_part(g.parts, [&](int part) {
      moments total;
      walk_.for_each_piece(g.first, g.last, part, g.parts, [&](const piece& here) {
        vec about = {}, sum = {}, squares = {};
        const double count = here.count();
        if (total.count == 0) {
          here.for_each_vector([&](std::ptrdiff_t in, std::ptrdiff_t) { about += Units::at(px + in); });
          about = about / float(count);
        } else {
          for (int l = 0; l < width; ++l) Units::set(about, l, float(total.mean[l]));
        }
        here.for_each_vector([&](std::ptrdiff_t in, std::ptrdiff_t) {
          const vec apart = Units::at(px + in) - about;
          sum += apart;
          squares += apart * apart;
        });
        double m[width], s[width];
        for (int l = 0; l < width; ++l) {
          const double off = double(Units::get(sum, l)) / count;
          m[l] = double(Units::get(about, l)) + off,
          s[l] = double(Units::get(squares, l)) - off * double(Units::get(sum, l));
        }
        total.join(count, m, s);
      });
      shares[part] = total;
    });
    for (int part = 1; part < g.parts; ++part)
      shares[0].join(shares[part].count, shares[part].mean, shares[part].squares);
    if constexpr (Units::spread > 1) {
      lane_moments<1> channel;
      for (int l = 0; l < width; ++l) channel.join(shares[0].count, shares[0].mean + l, shares[0].squares + l);
      for (int l = 0; l < width; ++l) shares[0].mean[l] = channel.mean[0], shares[0].squares[l] = channel.squares[0];
      shares[0].count = channel.count;
    }
    for (int l = 0; l < width; ++l) {
      const double variance = shares[0].squares[l] / shares[0].count;
      g.kept[l] = float(shares[0].mean[l]), g.kept[width + l] = variance > 0 ? float(variance) : 0.0f;
    }
  }

  void add_up(const float* px, const float* py, const float* pdy, float* before, std::ptrdiff_t before_sample,
              const normaliser& by, const group& g) {
    walk_.template add_up<2>(g.first, g.last, g.parts, parts_.data(), g.sums, [&](const piece& here, vec* total) {
      vec slopes = {}, products = {};
      here.for_each_vector(before_sample, [&](std::ptrdiff_t in, std::ptrdiff_t out, std::ptrdiff_t there) {
        const vec apart = Units::at(px + in) - by.mean;
        vec slope = Units::at(pdy + out);
        if constexpr (!Summed) {
          by.rectify(apart, slope);
        } else {
          if constexpr (rectified) slope = Units::at(py + out) > 0.0f ? slope : vec{};
          if (rectified || before != pdy) Units::at(before + there) = slope;
        }
        slopes += slope;
        products += slope * apart;
      });
      total[0] = slopes, total[1] = products;
    });
    for (int l = 0; l < width; ++l) g.sums[width + l] *= double(Units::get(by.inverse, l));
  }

  void write_gradients(int samples, const parameters<const float*>& p, const parameters<float*>& gradients, bool add,
                       const pass& now) const {
    const int groups = now.training ? Layer::groups(samples) : samples > 0;
    auto write = [&](float* to, int channel, double value) {
      to[channel] = float(add ? double(to[channel]) + value : value);
    };
    for (int unit = 0; unit < walk_.units; ++unit)
      walk_.for_each_channel(unit, [&](int c, int l) {
        double weight = 0, bias = 0, mean = 0, variance = 0;
        for (int g = 0, first = 0; g < groups; ++g) {
          const int at = (g * walk_.units + unit) * 2 * width + l,
                    here = now.training ? Layer::group(first, samples) : samples;
          const double count = double(here) * walk_.pixels, share = here * now.scale;
          const double unbiased = count > 1 ? count / (count - 1) : 1;
          bias += sums_[std::size_t(at)], weight += sums_[std::size_t(at + width)];
          mean += share * double(now.training ? kept_.data()[at] : p.running_mean[c]);
          variance +=
              share * (now.training ? unbiased * double(kept_.data()[at + width]) : double(p.running_variance[c]));
          first += here;
        }
        if constexpr (settings.affine) write(gradients.weight, c, weight), write(gradients.bias, c, bias);
        write(gradients.running_mean, c, mean);
        write(gradients.running_variance, c, variance);
      });
  }

  Units walk_;
  // Of each unit of each group: mean and variance; the sums of dy and of dy z. Then a thread's shares of a unit.
  aligned_memory<float> kept_;
  std::vector<double> sums_;
  std::vector<moments> moments_;
  std::vector<double> parts_;
};

template <int Block, class Layer, class Activation, bool Summed, place In, place Out>
struct cpu_batch_norm_between : cpu_batch_norm<Block, Layer, Activation, Summed, channel_units_of<Block, In>> {
  using base = cpu_batch_norm<Block, Layer, Activation, Summed, channel_units_of<Block, In>>;
  static constexpr channel_units_of<Block, In> walk{In, Out};
  template <class U>
  using parameters = typename Layer::template parameters<U>;

  static constexpr parameters<weight_layout> storage() {
    parameters<weight_layout> s{};
    for_each_field<parameters<weight_layout>>([&](auto i) { field<i>(s) = walk.storage(); });
    return s;
  }

  cpu_batch_norm_between(basic_cpu<Block>& device, int batch) : base(device, batch, walk) {}
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, batch_norm<Options...>, In, Out>
    : cpu_batch_norm_between<Block, batch_norm<Options...>, identity, false, In, Out> {
  using cpu_batch_norm_between<Block, batch_norm<Options...>, identity, false, In, Out>::cpu_batch_norm_between;
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, fused<batch_norm<Options...>, relu>, In, Out>
    : cpu_batch_norm_between<Block, batch_norm<Options...>, relu, false, In, Out> {
  using cpu_batch_norm_between<Block, batch_norm<Options...>, relu, false, In, Out>::cpu_batch_norm_between;
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, summed<batch_norm<Options...>>, In, Out>
    : cpu_batch_norm_between<Block, batch_norm<Options...>, identity, true, In, Out> {
  using cpu_batch_norm_between<Block, batch_norm<Options...>, identity, true, In, Out>::cpu_batch_norm_between;
};

template <int Block, class... Options, place In, place Out>
struct implementation<basic_cpu<Block>, fused<summed<batch_norm<Options...>>, relu>, In, Out>
    : cpu_batch_norm_between<Block, batch_norm<Options...>, relu, true, In, Out> {
  using cpu_batch_norm_between<Block, batch_norm<Options...>, relu, true, In, Out>::cpu_batch_norm_between;
};

}  // namespace firecaffe
