#pragma once

#include <vector>

#include "../layers/channelwise.hpp"
#include "channels.hpp"

namespace firecaffe {

// Channelwise layers are bound by memory: each pass reads and writes every value once.
template <int Block, channelwise Layer, place In, place Out>
struct implementation<basic_cpu<Block>, Layer, In, Out> {
  using units = channel_units_of<Block, In>;
  static constexpr units walk{In, Out};
  using vec = typename units::vec;
  using piece = typename units::piece;
  template <class U>
  using parameters = typename Layer::template parameters<U>;
  static constexpr int count = channelwise_parameters<Layer>, width = units::width;

  static constexpr parameters<weight_layout> storage() {
    auto s = canonical_storage<Layer>(In.extents);
    if constexpr (!Layer::shared) for_each_field<decltype(s)>([&](auto i) { field<i>(s) = walk.storage(); });
    return s;
  }

  implementation(basic_cpu<Block>& device, int)
      : sums_(std::size_t{count * width} * std::size_t(walk.units)),
        shares_(std::size_t{count * width} * std::size_t(device.threads())) {}

  void forward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<float> y,
               parameters<const float*> from, const pass&) {
    walk.for_each_unit(device.threads(), walk.units, [&](int unit, int parts) {
      const float* px = x.data + walk.in_unit(unit);
      float* py = y.data + walk.out_unit(unit);
      const arrays p(from, unit);
      walk.for_each_piece(0, x.samples, parts, [&](const piece& here) {
        const arrays own = p;  // which no store to memory can change
        here.for_each_vector([&](std::ptrdiff_t in, std::ptrdiff_t out) {
          const vec value = walk.at(px + in);
          vec result;
          Layer::value(value, own.data, result);
          walk.at(py + out) = result;
        });
      });
    });
  }

  void backward(basic_cpu<Block>& device, tensor_view<const float> x, tensor_view<const float>, tensor_view<float> dy,
                tensor_view<float> dx, parameters<const float*> from, parameters<float*> gradients, accumulation adds,
                const pass&) {
    walk.for_each_unit(device.threads(), walk.units, [&](int unit, int parts) {
      const float *px = x.data + walk.in_unit(unit), *pdy = dy.data + walk.out_unit(unit);
      float* pdx = dx ? dx.data + walk.in_unit(unit) : nullptr;
      const arrays p(from, unit);
      double* sums = sums_.data() + unit * count * width;
      walk.template add_up<count>(0, x.samples, parts, shares_.data(), sums, [&](const piece& here, vec* sum) {
        const arrays own = p;
        arrays total = {};
        here.for_each_vector([&](std::ptrdiff_t in, std::ptrdiff_t out) {
          const vec value = walk.at(px + in), slope = walk.at(pdy + out);
          vec result, shares[count];
          Layer::slopes(value, slope, own.data, result, shares);
          for (int i = 0; i < count; ++i) total.data[i] += shares[i];
          if (!pdx) return;
          if (adds.input) result += walk.at(pdx + in);
          walk.at(pdx + in) = result;
        });
        for (int i = 0; i < count; ++i) sum[i] = total.data[i];
      });
    });
    const parameter_arrays<Layer, float> to(gradients);
    for (int i = 0; i < count; ++i) {
      double all = 0;
      for (int unit = 0; unit < walk.units; ++unit)
        walk.for_each_channel(unit, [&](int c, int l) {
          const double sum = sums_[std::size_t((unit * count + i) * width + l)];
          all += sum;
          if (!Layer::shared) to.from[i][c] = float(sum + (adds.parameters ? double(to.from[i][c]) : 0.0));
        });
      if (Layer::shared) to.from[i][0] = float(all + (adds.parameters ? double(to.from[i][0]) : 0.0));
    }
  }

 private:
  // A vector of each parameter.
  struct arrays {
    vec data[count] = {};
    arrays() = default;
    arrays(const parameters<const float*>& from, int unit) {
      const parameter_arrays<Layer, const float> each(from);
      for (int i = 0; i < count; ++i)
        if constexpr (Layer::shared)
          data[i] = vec{} + each.from[i][0];
        else
          walk.load(each.from[i], unit, data[i]);
    }
  };

  std::vector<double> sums_, shares_;  // of each unit; of the parts of one
};

}  // namespace firecaffe
