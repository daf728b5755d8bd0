#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "../core/error.hpp"
#include "../core/random.hpp"
#include "plan.hpp"

namespace firecaffe {

template <class Net, class Device, plan_options Options, int Op>
struct op_types {
  static constexpr planned_op here = plan<Net, Device, Options>.ops[Op];  // a copy: nvcc takes no reference here
  static constexpr place in = place_of<Net, Device, Options>(here.input);
  static constexpr place out = place_of<Net, Device, Options>(here.output < 0 ? here.input : here.output);

  static auto first() {
    if constexpr (here.takes_sum_along())
      return std::type_identity<summed<leaf_of<Net, here.leaf>>>{};
    else
      return std::type_identity<leaf_of<Net, here.leaf>>{};
  }
  static auto pick() {
    if constexpr (here.leaf < 0 && here.fused_leaf < 0)
      return std::type_identity<identity>{};
    else if constexpr (here.leaf < 0)
      return std::type_identity<leaf_of<Net, here.fused_leaf>>{};
    else if constexpr (here.fused_leaf >= 0)
      return std::type_identity<fused<typename decltype(first())::type, leaf_of<Net, here.fused_leaf>>>{};
    else
      return first();
  }
  using layer_type = typename decltype(pick())::type;
};

// How an op with a layer runs. Joins (concat, sum) have no implementation: their layer_type is the pointwise layer that
// a sum ends in, else identity.
template <class Net, class Device, plan_options Options, int Op>
using implementation_of =
    implementation<Device, typename op_types<Net, Device, Options, Op>::layer_type,
                   op_types<Net, Device, Options, Op>::in, op_types<Net, Device, Options, Op>::out>;

// One parameter of the network: what it is, where it lies in the arenas of parameters, gradients and solver state.
struct placed_parameter {
  int op = 0, field = 0;
  const char* layer = "";
  parameter description;
  weight_layout stored;
  std::size_t offset = 0;  // elements
  bool trained = true;     // a loss depends on it; without one its gradient is never written
};

// A slice of the gradient arena that is complete, and may be sent, once the backward pass has finished `ready_op`.
struct bucket {
  std::size_t first = 0, last = 0;  // elements
  int ready_op = 0;
};

// What the leaves have together, and room for one.
template <class Net>
constexpr int parameter_limit = []<int... I>(std::integer_sequence<int, I...>) {
  return (1 + ... + int(field_count<typename leaf_of<Net, I>::template parameters<parameter>>));
}
(std::make_integer_sequence<int, graph_of<Net>.leaf_count>{});

// Parameters in the order in which the backward pass finishes their gradients: last op first.
template <class Net, class Device, plan_options Options>
struct parameter_plan {
  placed_parameter list[parameter_limit<Net>];
  int count = 0;
  std::size_t elements = 0;  // stored, padding included

  constexpr parameter_plan() {
    constexpr int n = plan<Net, Device, Options>.op_count;
    [this]<int... I>(std::integer_sequence<int, I...>) { (this->template add<n - 1 - I>(), ...); }
    (std::make_integer_sequence<int, n>{});
  }

  // Of the ops from `op` on, which lie first.
  constexpr std::size_t elements_from(int op) const {
    for (int i = 0; i < count; ++i)
      if (list[i].op < op) return list[i].offset;
    return elements;
  }

 private:
  template <int Op>
  constexpr void add() {
    using types = op_types<Net, Device, Options, Op>;
    if constexpr (types::here.leaf >= 0 && types::here.kind == op_kind::transform) {
      using L = typename types::layer_type;
      using fields = typename L::template parameters<parameter>;
      if constexpr (field_count < fields >> 0) {
        constexpr fields described = L::describe(types::in.extents);
        constexpr auto stored = implementation_of<Net, Device, Options, Op>::storage();
        for_each_field<fields>([&](auto i) {
          list[count++] = {Op, int(i), L::name, field<i>(described), field<i>(stored), elements, types::here.backward};
          elements += round_up(field<i>(stored).extent, Device::alignment);
        });
      }
    }
  }
};

template <class Net, class Device, plan_options Options = plan_options{}>
constexpr parameter_plan<Net, Device, Options> parameters_of{};

template <class Net, int Op>
constexpr std::int64_t op_parameter_count() {
  constexpr op o = graph_of<Net>.ops[Op];
  std::int64_t n = 0;
  if constexpr (o.kind == op_kind::transform && o.leaf >= 0) {
    using L = leaf_of<Net, o.leaf>;
    const auto described = L::describe(graph_of<Net>.values[o.input]);
    for_each_field<typename L::template parameters<parameter>>(
        [&](auto i) { n += field<i>(described).learnable() ? field<i>(described).elements() : 0; });
  }
  return n;
}

// Learnable parameters as published: independent of any device, padding not counted.
template <class Net>
constexpr std::int64_t parameter_count = []<int... I>(std::integer_sequence<int, I...>) {
  return (std::int64_t{0} + ... + op_parameter_count<Net, I>());
}
(std::make_integer_sequence<int, graph_of<Net>.op_count>{});

template <class Net, int Op>
constexpr std::int64_t op_flops() {
  constexpr auto& g = graph_of<Net>;
  constexpr op o = g.ops[Op];
  if constexpr (o.kind == op_kind::concat)
    return 0;
  else if constexpr (o.kind == op_kind::sum)
    return g.values[o.output].elements() * (o.operands - 1);
  else
    return leaf_of<Net, o.leaf>::flops(g.values[o.input]);
}

// Forward floating-point operations of one sample (a multiply-add is two); concat moves, sum adds.
template <class Net>
constexpr std::int64_t flops = [] {
  std::int64_t n = 0;
  constexpr auto& g = graph_of<Net>;
  [&]<int... I>(std::integer_sequence<int, I...>) { ((n += op_flops<Net, I>()), ...); }
  (std::make_integer_sequence<int, g.op_count>{});
  return n;
}();

// Of an op as planned, with what is done in the same pass.
template <class Net, class Device, plan_options Options, int Op>
constexpr std::int64_t planned_flops() {
  constexpr auto& p = plan<Net, Device, Options>;
  constexpr planned_op o = p.ops[Op];
  const shape result = p.values[o.output < 0 ? o.input : o.output].extents;
  std::int64_t n = 0;
  if constexpr (o.leaf >= 0) n += leaf_of<Net, o.leaf>::flops(p.values[o.input].extents);
  if (o.kind == op_kind::sum || o.takes_sum_along()) n += result.elements() * (o.operands - 1);
  if constexpr (o.fused_leaf >= 0) n += leaf_of<Net, o.fused_leaf>::flops(result);
  return n;
}

// The buckets of a network's gradients: at least `bytes` each but for the last to become ready. That one is joined to
// its neighbour when it is below a sixteenth: a message that is mostly latency costs more than the neighbour's later
// start.
template <class Net, class Device, plan_options Options = plan_options{}>
std::vector<bucket> buckets_of(std::size_t bytes) {
  const auto& p = parameters_of<Net, Device, Options>;
  const std::size_t wanted = bytes / sizeof(typename Device::scalar);
  std::vector<bucket> out;
  std::size_t first = 0;
  for (int i = 0; i < p.count; ++i) {
    const std::size_t last = i + 1 < p.count ? p.list[i + 1].offset : p.elements;
    const bool op_done = i + 1 == p.count || p.list[i + 1].op != p.list[i].op;
    if (!op_done || (last - first < wanted && i + 1 < p.count)) continue;
    if (last - first < wanted / 16 && !out.empty())
      out.back().last = last, out.back().ready_op = p.list[i].op;
    else
      out.push_back({first, last, p.list[i].op});
    first = last;
  }
  return out;
}

// Fills one parameter in canonical order. The numbers depend on the seed and the parameter's index alone.
inline void fill_parameter(const parameter& p, std::uint64_t seed, int index, double* out) {
  const double fan_in = double(p.inputs) * p.taps;
  const random_key key{seed, 0, 0, random_use::filler, std::uint32_t(index)};
  random_block four{};
  for (std::int64_t i = 0; i < p.elements(); ++i) {
    const auto k = std::uint64_t(i);
    auto uniform = [&](double low, double high) {
      if (k % 4 == 0) four = random_words(key, std::uint32_t(k / 4));
      return low + (high - low) * to_unit(four.word[k % 4]);
    };
    auto normal = [&] {
      const random_block w = random_words(key, std::uint32_t(k));
      return std::sqrt(-2 * std::log(to_unit(w.word[0]))) * std::cos(6.283185307179586 * to_unit(w.word[1]));
    };
    switch (p.settings.fill.kind) {
      case filler::constant:
        out[i] = p.settings.fill.first;
        break;
      case filler::uniform:
        out[i] = uniform(p.settings.fill.first, p.settings.fill.second);
        break;
      case filler::gaussian:
        out[i] = p.settings.fill.second + p.settings.fill.first * normal();
        break;
      case filler::xavier:
        out[i] = uniform(-std::sqrt(3 / fan_in), std::sqrt(3 / fan_in));
        break;
      case filler::msra:
        out[i] = std::sqrt(2 / fan_in) * normal();
        break;
      case filler::bilinear: {
        const int side = int(std::lround(std::sqrt(double(p.taps)))), tap = int(i % p.taps);
        if (side * side != p.taps) throw usage_error("the bilinear filler needs a square kernel");
        const double f = (side + 1) / 2, c = (2 * f - 1 - double((side + 1) / 2 % 2)) / (2 * f);
        out[i] = (1 - std::fabs(tap % side / f - c)) * (1 - std::fabs(tap / side / f - c));
        break;
      }
    }
  }
}

}  // namespace firecaffe
