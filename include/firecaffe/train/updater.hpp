#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../network/parameters.hpp"
#include "../solvers/contract.hpp"

namespace firecaffe {

// Neighbouring parameters that are updated in one go.
struct update_segment {
  std::size_t first = 0, count = 0;  // elements
  float lr_mult = 1, decay_mult = 1, follows = 0;
  bool one_dimensional = false;
};

// The network's parameters cut into segments, and where each bucket's segments end. `apart`: one parameter each.
struct update_segments {
  std::vector<update_segment> list;
  std::vector<std::size_t> ends;

  update_segments(const placed_parameter* parameters, int count, const std::vector<bucket>& buckets, bool apart) {
    int i = 0;
    for (const bucket& b : buckets) {
      for (bool first = true; i < count && b.last > parameters[i].offset; ++i, first = false) {
        const placed_parameter& p = parameters[i];
        const update_segment s{p.offset,
                               p.stored.extent,
                               p.trained ? p.description.settings.lr_mult : 0,
                               p.description.settings.decay_mult,
                               p.trained ? p.description.follows : 0,
                               p.description.inputs * p.description.taps == 1};
        update_segment* last = first || apart ? nullptr : &list.back();
        if (last && last->lr_mult == s.lr_mult && last->decay_mult == s.decay_mult && last->follows == s.follows)
          last->count = s.first + s.count - last->first;  // what pads the parameters between is zero, and stays so
        else
          list.push_back(s);
      }
      ends.push_back(list.size());
    }
  }
};

struct square_of_first {
  template <class T>
  FIRECAFFE_HD double operator()(T a, T) const {
    return double(a) * double(a);
  }
};

// *scale = min(1, clip / sqrt(sum of squares)). Run for one element.
struct clip_rule {
  const double* squares;
  std::size_t count;
  double clip;
  double* scale;
  FIRECAFFE_HD void operator()(std::size_t) const {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += squares[i];
    using std::sqrt;
    const double norm = sqrt(sum);
    *scale = norm > clip ? clip / norm : 1.0;
  }
};

// Applies a solver to a network's parameters, bucket by bucket, by the device's for_each and reduce alone. Nothing
// waits for the device: norms and the clipping scale stay in its memory. Their sums have an order that depends on sizes
// alone, so equal gradients make equal weights on every rank.
template <class Solver, class Device>
class updater {
 public:
  using T = typename Device::scalar;
  static constexpr bool layerwise = layerwise_solver<Solver, T>;

  // `elements`: of each arena. `clip` 0: gradients are not clipped.
  updater(Device& device, const placed_parameter* parameters, int count, std::size_t elements,
          const std::vector<bucket>& buckets, double clip)
      : segments_(parameters, count, buckets, layerwise),
        clip_(clip),
        numbers_(device.template allocate<double>(first_square + segments_.list.size())) {
    for (auto& array : state_) array = device.template allocate<T>(elements);
    const double one = 1;
    device.upload(numbers_.data() + scale, &one, 1);
  }

  // Solver::state_arrays arrays that lie as the parameters do.
  T* state(int i) { return state_[std::size_t(i)].data(); }

  // The gradients of bucket `b` are there; buckets come in order. Without clipping their parameters are updated; with
  // it, all are when the last bucket has come.
  void apply(Device& device, const Solver& solver, T* parameters, const T* gradients, std::size_t b, double rate,
             std::int64_t iteration) {
    const std::size_t first = b == 0 ? 0 : segments_.ends[b - 1], last = segments_.ends[b];
    if (!(clip_ > 0)) return update(device, solver, parameters, gradients, first, last, rate, iteration);
    square(device, gradients, first, last);
    if (last < segments_.list.size()) return;
    find_scale(device);
    update(device, solver, parameters, gradients, 0, last, rate, iteration);
  }

  // The parts of an update, for who makes it of all parameters at once: see recorded_update.hpp.
  const std::vector<update_segment>& segments() const { return segments_.list; }
  // A parameter with the learning rate 0 stays as it is, whatever its gradient.
  static bool learns(const update_segment& s) { return s.follows == 0 && s.lr_mult > 0; }
  // `state` gets the segment's arrays of state, Solver::state_arrays of them.
  update_of<T> of(const update_segment& s, T** state, T* parameters, const T* gradients, double rate,
                  std::int64_t iteration) {
    for (std::size_t k = 0; k < state_.size(); ++k) state[k] = state_[k].data() + s.first;
    return {parameters + s.first,
            gradients + s.first,
            state,
            rate * double(s.lr_mult),
            s.decay_mult,
            iteration,
            s.one_dimensional,
            numbers_.data() + scale,
            numbers_.data() + zeros};
  }
  // Sees to the scale that clips gradients, all of which are there.
  void clip(Device& device, const T* gradients) {
    if (!(clip_ > 0)) return;
    square(device, gradients, 0, segments_.list.size());
    find_scale(device);
  }

 private:
  static constexpr std::size_t scale = 0, norms = 1, zeros = 3, first_square = 5;  // in numbers_

  void square(Device& device, const T* gradients, std::size_t first, std::size_t last) {
    for (std::size_t s = first; s < last; ++s)
      if (learns(segments_.list[s]))
        square(device, numbers_.data() + first_square + s, gradients + segments_.list[s].first,
               segments_.list[s].count);
  }
  void find_scale(Device& device) {
    device.for_each(1,
                    clip_rule{numbers_.data() + first_square, segments_.list.size(), clip_, numbers_.data() + scale});
  }

  static void square(Device& device, double* sum, const T* values, std::size_t count) {
    const shape flat{int(count)};
    const tensor_view<const T> view{values, 1, flat, Device::value_layout(flat)};
    device.reduce(sum, square_of_first{}, view, view);
  }

  void update(Device& device, const Solver& solver, T* parameters, const T* gradients, std::size_t first,
              std::size_t last, double rate, std::int64_t iteration) {
    for (std::size_t i = first; i < last; ++i) {
      const update_segment& s = segments_.list[i];
      if (s.follows > 0)
        device.for_each(s.count, follow_rule<T>{parameters + s.first, gradients + s.first, T(s.follows)});
      if (!learns(s)) continue;
      T* state[std::size_t(Solver::state_arrays) + 1] = {};
      update_of<T> u = of(s, state, parameters, gradients, rate, iteration);
      if constexpr (requires { solver.prepare(u); }) device.for_each(s.count, solver.prepare(u));
      if constexpr (layerwise) {
        if (solver.adapts(u)) {
          square(device, numbers_.data() + norms, u.weights, s.count);
          square(device, numbers_.data() + norms + 1, solver.direction(u), s.count);
          u.norms = numbers_.data() + norms;
        }
      }
      device.for_each(s.count, solver.update(u));
    }
  }

  update_segments segments_;
  double clip_;
  typename Device::template memory<double> numbers_;
  std::array<typename Device::template memory<T>, std::size_t(Solver::state_arrays)> state_;
};

}  // namespace firecaffe
