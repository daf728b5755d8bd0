#pragma once

#include "../core/implementation.hpp"
#include "check.hpp"

namespace firecaffe {

// What a model is for. Without `training` no gradient is planned; `input_gradient` asks for the gradient of the input
// too.
struct plan_options {
  bool training = true;
  bool input_gradient = false;
  friend constexpr bool operator==(const plan_options&, const plan_options&) = default;
};

// What the plan needs to know of a layer type.
struct leaf_traits {
  bool needs_input = false, needs_output = false, in_place = false, parameters = false, whole_samples = false;
  bool fuses_with_next = false, fuses_with_sum = false;
  bool takes_sum = false, takes_sum_and_next = false;  // that its result is an operand of, and what follows it
  bool goes_behind_next = false;                       // a maximum that it need not be applied before
  bool remembers = false;                              // as Device::remembers has it
};

struct planned_op : op {
  int fused_leaf = -1;    // the pointwise layer done in the same pass
  bool backward = false;  // has a gradient to pass on or parameters to update, and a loss behind it

  // The layer reads the first of two operands; its result and the second are added up.
  constexpr bool takes_sum_along() const { return kind == op_kind::transform && operands > 0; }
};

struct planned_value {
  shape extents;
  layout strides;
  bool used = false;         // false: vanished inside a fused op
  bool gradient = false;     // a loss depends on it, and somebody wants to know how
  int home = -1;             // the value whose storage it shares, itself if it has its own
  std::ptrdiff_t shift = 0;  // elements into a sample of the home: the channel slice of a concat
  int born = 0, dies = -1, gradient_born = 0,
      gradient_dies = -1;                       // op times, of homes; forward 0..m-1, backward m..2m-1
  std::size_t offset = 0, gradient_offset = 0;  // of homes, in elements per sample
};

template <class Net, class Device, plan_options Options>
class planner {
  static constexpr auto& source = graph_of<Net>;
  static constexpr int max_ops = source.op_count, max_values = source.value_count;

 public:
  planned_op ops[max_ops + 1];
  planned_value values[max_values + 1];
  bool settled[source.operand_count + 1] = {};  // operand that already lies where it belongs
  int op_count = 0;
  std::size_t elements = 0;  // activations and their gradients, per sample

  constexpr planner() {
    read_traits();
    fuse();
    mark_gradients();
    share_storage();
    live();
    place_all();
  }

  constexpr int operand(const op& o, int i) const { return o.operands == 0 ? o.input : operands[o.first_operand + i]; }
  static constexpr int operand_count(const op& o) { return o.operands == 0 ? 1 : o.operands; }

  // The gradient of operand `v` of op `index` is added to what later consumers have already written.
  constexpr bool accumulates(int index, int v) const {
    for (int j = index + 1; j < op_count; ++j)
      if (ops[j].backward && consumes(ops[j], v)) return true;
    return false;
  }

  // What the backward pass of op `i` reads of its own, beside gradients.
  constexpr bool backward_reads_input(int i) const {
    if (ops[i].leaf < 0) return false;
    const leaf_traits& t = traits[ops[i].leaf];
    return ops[i].kind == op_kind::loss || (t.needs_input && !t.remembers);
  }
  constexpr bool backward_reads_output(int i) const {
    if (ops[i].leaf < 0) return ops[i].fused_leaf >= 0;
    const leaf_traits& t = traits[ops[i].leaf];
    return (ops[i].fused_leaf >= 0 || t.needs_output) && !t.remembers;
  }

 private:
  leaf_traits traits[max_ops + 1];
  int operands[source.operand_count + 1] = {};  // of concats, sums and transforms that take one along

  constexpr void read_traits() {
    for (int k = 0; k < source.operand_count; ++k) operands[k] = source.operand[k];
    [this]<int... I>(std::integer_sequence<int, I...>) {
      ((traits[I] = traits_of<leaf_of<Net, I>>()), ...);
      (read_fusions<I>(), ...);
    }
    (std::make_integer_sequence<int, source.leaf_count>{});
  }

  template <class Leaf>
  static constexpr leaf_traits traits_of() {
    leaf_traits t;
    t.needs_input = Leaf::backward_needs_input, t.needs_output = Leaf::backward_needs_output,
    t.in_place = Leaf::in_place, t.remembers = remembers<Device, Leaf>;
    t.parameters = field_count<typename Leaf::template parameters<int>> > 0;
    t.whole_samples = requires { Leaf::needs_whole_samples; };
    t.fuses_with_sum = pointwise<Leaf> && Device::fuses_sums;
    t.takes_sum = Device::template fuses<summed<Leaf>, identity>;
    return t;
  }

  template <int I>
  constexpr void read_fusions() {
    if constexpr (I + 1 < source.leaf_count) {
      using leaf = leaf_of<Net, I>;
      using next = leaf_of<Net, I + 1>;
      traits[I].fuses_with_next = Device::template fuses<leaf, next>;
      traits[I].takes_sum_and_next = Device::template fuses<summed<leaf>, next>;
      traits[I].goes_behind_next = requires {
        requires leaf::keeps_order && next::takes_maximum && Device::template fuses<next, leaf>;
      };
    }
  }

  constexpr int occurrences(const op& o, int v) const {
    int n = 0;
    for (int k = 0; k < operand_count(o); ++k) n += operand(o, k) == v;
    return n;
  }
  constexpr bool consumes(const op& o, int v) const { return occurrences(o, v) > 0; }

  static constexpr int consumers_in_source(int v) {
    int n = 0;
    for (int i = 0; i < source.op_count; ++i) {
      const op& o = source.ops[i];
      bool reads = o.operands == 0 && o.input == v;
      for (int k = 0; k < o.operands; ++k) reads = reads || source.operand[o.first_operand + k] == v;
      n += reads;
    }
    return n;
  }

  constexpr void fuse() {
    for (int v = 0; v < max_values; ++v)
      values[v].extents = source.values[v], values[v].strides = Device::value_layout(source.values[v]);
    for (int i = 0; i < source.op_count; ++i) {
      planned_op o;
      static_cast<op&>(o) = source.ops[i];
      if (goes_behind_next(i)) {
        const op& pooling = source.ops[++i];
        o.fused_leaf = o.leaf, o.leaf = pooling.leaf, o.output = pooling.output;
      }
      const planned_op joined = joined_to_last(o);
      if (joined.leaf >= 0 && (traits[joined.leaf].takes_sum || takes_next(joined, i))) {
        int* const taken = operands + o.first_operand;
        const int vanishes = ops[--op_count].output;
        taken[1] = taken[0] == vanishes ? taken[1] : taken[0], taken[0] = joined.input;
        o = joined;
      }
      if (takes_next(o, i)) ++i, o.fused_leaf = source.ops[i].leaf, o.output = source.ops[i].output;
      ops[op_count++] = o;
    }
    values[0].used = true;
    for (int i = 0; i < op_count; ++i)
      if (ops[i].output >= 0) values[ops[i].output].used = true;
  }

  // The last op and the sum of its result and another value, without a leaf where `sum` is not that. Nobody else reads
  // the result: branches begin at one value, and no op lies in between.
  constexpr planned_op joined_to_last(const planned_op& sum) const {
    planned_op both;
    if (sum.kind != op_kind::sum || sum.operands != 2 || op_count == 0) return both;
    const planned_op& last = ops[op_count - 1];
    const bool plain = last.kind == op_kind::transform && last.operands == 0 && last.fused_leaf < 0;
    if (!plain || occurrences(sum, last.output) != 1 || occurrences(sum, last.input) != 0) return both;
    both = last;
    both.first_operand = sum.first_operand, both.operands = 2, both.output = sum.output;
    return both;
  }

  // Op `i` of the source is a pointwise layer, and the next one a pooling that alone reads its result: the maximum of
  // its results is its result of the maximum. There are fewer of these, and what comes before needs no slopes.
  constexpr bool goes_behind_next(int i) const {
    if (i + 1 >= source.op_count || source.ops[i].leaf < 0 || !traits[source.ops[i].leaf].goes_behind_next)
      return false;
    const op &o = source.ops[i], &next = source.ops[i + 1];
    return next.leaf == o.leaf + 1 && next.input == o.output && consumers_in_source(o.output) == 1;
  }

  // What follows op `i` of the source is a pointwise layer that `o` does in the same pass.
  constexpr bool takes_next(const planned_op& o, int i) const {
    if (i + 1 >= source.op_count || o.fused_leaf >= 0 || goes_behind_next(i + 1)) return false;
    const op& next = source.ops[i + 1];
    if (next.kind != op_kind::transform || next.input != o.output || consumers_in_source(o.output) != 1) return false;
    if (o.kind == op_kind::sum) return traits[next.leaf].fuses_with_sum;
    if (o.leaf < 0 || next.leaf != o.leaf + 1) return false;
    return o.takes_sum_along() ? traits[o.leaf].takes_sum_and_next : traits[o.leaf].fuses_with_next;
  }

  constexpr void mark_gradients() {
    if (!Options.training) return;
    bool wanted[max_values + 1] = {Options.input_gradient};
    bool useful[max_values + 1] = {};
    for (int i = 0; i < op_count; ++i)
      if (ops[i].output >= 0) {
        bool w = ops[i].leaf >= 0 && traits[ops[i].leaf].parameters;
        for (int k = 0; k < operand_count(ops[i]); ++k) w = w || wanted[operand(ops[i], k)];
        wanted[ops[i].output] = w;
      }
    for (int i = op_count - 1; i >= 0; --i) {
      const bool loss_behind = ops[i].kind == op_kind::loss || (ops[i].output >= 0 && useful[ops[i].output]);
      for (int k = 0; loss_behind && k < operand_count(ops[i]); ++k) useful[operand(ops[i], k)] = true;
    }
    for (int v = 0; v < max_values; ++v) values[v].gradient = values[v].used && wanted[v] && useful[v];
    for (int i = 0; i < op_count; ++i)
      ops[i].backward = ops[i].kind == op_kind::loss ? values[ops[i].input].gradient
                                                     : ops[i].output >= 0 && values[ops[i].output].gradient;
  }

  constexpr int producer(int v) const {
    for (int i = 0; i < op_count; ++i)
      if (ops[i].output == v) return i;
    return -1;
  }

  // A concat's result may be its branches' own, which they may need: it stays.
  constexpr bool overwritable(int i) const {
    return ops[i].kind != op_kind::concat && !(ops[i].backward && backward_reads_output(i));
  }

  // Last op to the first.
  constexpr void share_storage() {
    for (int v = 0; v < max_values; ++v) values[v].home = v;
    for (int i = op_count - 1; i >= 0; --i) {
      const op& o = ops[i];
      if (o.kind == op_kind::concat)
        slice_branches(i);
      else if (o.operands > 0)
        replace_operand(i);
      else if (o.kind == op_kind::transform && traits[o.leaf].in_place && gives_way(i, o.input))
        settle(o.input, o.output, 0);
    }
  }

  // A sum lies where one of its first two operands did, which begin it: it passes its gradient to that one as it is.
  // One taken along by a layer cannot lie where that reads.
  constexpr void replace_operand(int i) {
    const op& o = ops[i];
    for (int k = o.operands > 1 ? 1 : 0; k >= (o.leaf >= 0); --k)
      if (gives_way(i, operand(o, k)) && occurrences(o, operand(o, k)) == 1) {
        settle(operand(o, k), o.output, 0);
        settled[o.first_operand + k] = true;
        return;
      }
  }

  // The branches of a concat lie in its slices.
  constexpr void slice_branches(int i) {
    const op& o = ops[i];
    int channel = 0;
    for (int k = 0; k < o.operands; ++k) {
      const int v = operand(o, k);
      const shape part = values[v].extents;
      if (v != 0 && values[v].home == v && last_consumer_is(i, v, false) &&
          !(read_whole(v) && !Device::slices_are_whole) && Device::can_slice(values[o.output].extents, channel, part)) {
        settle(v, o.output, values[o.output].strides.offset(0, channel, 0));
        settled[o.first_operand + k] = true;
      }
      channel += part.channels;
    }
  }

  // Op `i` may put its result, and what it passes back, where operand `v` lies.
  constexpr bool gives_way(int i, int v) const {
    return v != 0 && last_consumer_is(i, v, true) && overwritable(producer(v));
  }

  constexpr void settle(int v, int where, std::ptrdiff_t shift) {
    values[v].home = values[where].home;
    values[v].shift = values[where].shift + shift;
    values[v].strides = values[where].strides;
  }

  constexpr bool last_consumer_is(int index, int v, bool only) const {
    for (int j = only ? 0 : index + 1; j < op_count; ++j)
      if (j != index && consumes(ops[j], v)) return false;
    return true;
  }

  // Some consumer of `v` reads a sample as one row of a matrix.
  constexpr bool read_whole(int v) const {
    for (int j = 0; j < op_count; ++j)
      if (ops[j].leaf >= 0 && ops[j].input == v && traits[ops[j].leaf].whole_samples && values[v].extents.pixels() > 1)
        return true;
    return false;
  }

  constexpr void live() {
    const int last = 2 * op_count - 1;
    auto touch = [&](int v, int time) {
      planned_value& h = values[values[v].home];
      h.dies = time > h.dies ? time : h.dies;
      h.born = time < h.born ? time : h.born;
    };
    auto touch_gradient = [&](int v, int time) {
      if (!values[v].gradient) return;
      planned_value& h = values[values[v].home];
      h.gradient_dies = time > h.gradient_dies ? time : h.gradient_dies;
      h.gradient_born = time < h.gradient_born ? time : h.gradient_born;
    };
    for (int v = 0; v < max_values; ++v) values[v].born = values[v].gradient_born = last + 1;
    touch(0, -1);
    for (int i = 0; i < op_count; ++i) {
      const planned_op& o = ops[i];
      for (int k = 0; k < operand_count(o); ++k) {
        touch(operand(o, k), i);
        if (o.backward) touch_gradient(operand(o, k), last - i);
      }
      if (o.backward && backward_reads_input(i)) touch(o.input, last - i);
      if (o.output < 0) continue;
      touch(o.output, i);
      if (o.backward) touch_gradient(o.output, last - i);
      if (o.backward && backward_reads_output(i)) touch(o.output, last - i);
    }
    touch(0, Options.input_gradient ? last : 0);
    if (Options.input_gradient) touch_gradient(0, last + 1);
    // What a caller may read after the forward pass: every value no op consumes.
    for (int v = 0; v < max_values; ++v)
      if (values[v].used && last_consumer_is(-1, v, false)) touch(v, last);
  }

  struct region {
    std::size_t first = 0, size = 0;
    int born = 0, dies = -1;
  };

  // First fit in order of birth: what two regions alive at the same time need never overlaps.
  constexpr void place_all() {
    region placed[2 * max_values + 2] = {};
    int count = 0;
    for (int time = -1; time <= 2 * op_count; ++time)
      for (int v = 0; v < max_values; ++v) {
        if (!values[v].used || values[v].home != v) continue;
        const std::size_t size = round_up(std::size_t(values[v].strides.sample), Device::alignment);
        if (values[v].born == time && values[v].dies >= time)
          values[v].offset = fit(placed, count, {0, size, time, values[v].dies});
        if (values[v].gradient_born == time && values[v].gradient_dies >= time)
          values[v].gradient_offset = fit(placed, count, {0, size, time, values[v].gradient_dies});
      }
  }

  constexpr std::size_t fit(region* placed, int& count, region r) {
    for (bool moved = true; moved;) {
      moved = false;
      for (int i = 0; i < count; ++i) {
        const region& p = placed[i];
        if (p.dies >= r.born && p.born <= r.dies && p.first < r.first + r.size && r.first < p.first + p.size)
          r.first = p.first + p.size, moved = true;
      }
    }
    placed[count++] = r;
    elements = r.first + r.size > elements ? r.first + r.size : elements;
    return r.first;
  }
};

// Which op runs when, on what, where each value lies: known to the compiler.
template <class Net, class Device, plan_options Options = plan_options{}>
constexpr planner<Net, Device, Options> plan{};

// Metrics are computed outside training only.
template <class Plan>
constexpr int last_op_in_training(const Plan& p) {
  int last = p.op_count - 1;
  while (last > 0 && p.ops[last].kind == op_kind::metric) --last;
  return last;
}

// Where a value lies, as its ops see it.
template <class Net, class Device, plan_options Options>
constexpr place place_of(int value) {
  const auto& v = plan<Net, Device, Options>.values[value];
  return {v.extents, v.strides, v.gradient};
}

}  // namespace firecaffe
