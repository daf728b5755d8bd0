#pragma once

#include "../core/tensor_view.hpp"
#include "plan.hpp"

namespace firecaffe {

template <class Activation = identity>
struct add_values {
  static constexpr bool preserves_zero = Activation::preserves_zero;
  template <class T>
  FIRECAFFE_HD T operator()(T a, T b) const {
    return Activation::value(a + b);
  }
};

// What concats and sums of a model do, compiled once a network, and the sum once for each layer that it ends in.
template <class Model>
class joins_of {
 public:
  using V = typename Model::V;
  explicit joins_of(Model& m) : m_(m) {}

  void concatenate(const planned_op& o) {
    int channel = 0;
    for (int k = 0; k < o.operands; ++k) {
      const auto part = value(the_plan.operand(o, k));
      if (!the_plan.settled[o.first_operand + k])
        m_.device().copy_channels(m_.view(o.output), channel, part, 0, part.extents.channels, false);
      channel += part.extents.channels;
    }
  }

  template <class Activation>
  void add_up(const planned_op& o) {
    const auto y = m_.view(o.output);
    const auto first = value(the_plan.operand(o, 0));
    const bool lies_there = o.operands == 1 && the_plan.settled[o.first_operand];
    if (o.operands == 1 && !(lies_there && std::is_same_v<Activation, identity>))
      m_.device().transform(y, value_of_pointwise<Activation>{}, first);
    for (int k = 1; k < o.operands; ++k) {
      const auto before = k == 1 ? first : value(o.output), next = value(the_plan.operand(o, k));
      if (k + 1 < o.operands)
        m_.device().transform(y, add_values<>{}, before, next);
      else
        m_.device().transform(y, add_values<Activation>{}, before, next);
    }
  }

  void add_to(tensor_view<V> sum, tensor_view<const V> more) {
    if (sum) m_.device().transform(sum, add_values<>{}, more, tensor_view<const V>(sum));
  }

  // The gradient of concat or sum goes to its operands.
  void divide(const planned_op& o, int index) {
    const tensor_view<const V> dy = m_.gradient_view(o.output);
    int channel = 0;
    for (int k = 0; k < o.operands; ++k) {
      const int v = the_plan.operand(o, k);
      const auto dx = m_.gradient_view(v);
      const bool adds = the_plan.accumulates(index, v) || repeated(o, k);
      if (!dx || the_plan.settled[o.first_operand + k]) {
      } else if (o.kind == op_kind::concat) {
        m_.device().copy_channels(dx, 0, dy, channel, dx.extents.channels, adds);
      } else if (adds) {
        add_to(dx, dy);
      } else {
        m_.device().copy(dx, dy);
      }
      channel += the_plan.values[v].extents.channels;
    }
  }

 private:
  static constexpr auto& the_plan = Model::the_plan;

  tensor_view<const V> value(int v) { return m_.view(v); }

  // Operand k's value has a share of the same op's gradient: an earlier operand's, or that of a slice it lies in.
  static constexpr bool repeated(const planned_op& o, int k) {
    for (int j = 0; j < o.operands; ++j)
      if (j != k && the_plan.operand(o, j) == the_plan.operand(o, k) &&
          (j < k || the_plan.settled[o.first_operand + j]))
        return true;
    return false;
  }

  Model& m_;
};

}  // namespace firecaffe
