#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "joins.hpp"
#include "memory_plan.hpp"

namespace firecaffe {

// A network on a device, for batches of at most `batch` samples: the arenas, the primitives, and the two passes over
// the op list. Everything is allocated by the constructor and nothing afterwards. A model belongs to one thread.
template <class Net, class Device, plan_options Options = plan_options{}>
class model {
 public:
  using T = typename Device::scalar;
  using V = typename Device::value;
  using memory = memory_plan<Net, Device, Options>;
  static constexpr auto& the_plan = plan<Net, Device, Options>;
  static constexpr auto& the_parameters = parameters_of<Net, Device, Options>;
  static constexpr int op_count = the_plan.op_count;
  static constexpr int last_in_training = last_op_in_training(the_plan);

  // That op is a loss, and the device can write its gradient along, as pass::gradient_with_loss asks: where it lies
  // nothing is needed any more.
  static constexpr bool writes_gradient_with_loss = [] {
    constexpr planned_op o = the_plan.ops[last_in_training];
    if constexpr (o.kind == op_kind::loss && o.backward)
      return requires(implementation_of<Net, Device, Options, last_in_training> run, Device d, tensor_view<V> x,
                      target_view<T> t, double* sum, pass now) {
        run.forward(d, tensor_view<const V>(x), t, sum, x, 1.0, now);
      };
    else
      return false;
  }();

  // Parameters are filled from `seed` as their layers say. `gradients`, if given, is the caller's memory for the
  // gradient arena: memory::gradient_elements elements on the device, aligned as its own. Throws usage_error for a
  // batch below 1.
  explicit model(Device device, int batch, std::uint64_t seed = 1, T* gradients = nullptr)
      : device_(std::move(device)),
        capacity_(batch > 0 ? batch : throw usage_error("model: the batch must be at least 1")),
        parameters_(device_.template allocate<T>(memory::parameter_elements)),
        own_gradients_(device_.template allocate<T>(gradients == nullptr ? memory::gradient_elements : 0)),
        gradients_(gradients == nullptr ? own_gradients_.data() : gradients),
        activations_(device_.template allocate<V>(memory::activation_elements(batch))),
        targets_(device_.template allocate<T>(memory::target_elements(batch))),
        words_(device_.template allocate<std::int32_t>(memory::words(batch))),
        new_words_(memory::words(batch)),
        results_(device_.template allocate<double>(memory::results)),
        ops_(device_, batch) {
    if (reinterpret_cast<std::uintptr_t>(gradients) % 64 != 0)
      throw usage_error("model: memory for gradients must begin at a multiple of 64 bytes");
    fill(seed);
    if constexpr (copies_parameters)
      device_.template take_parameters<V>(parameters_.data(), 0, memory::parameter_elements);
  }

  Device& device() { return device_; }
  int capacity() const { return capacity_; }
  int samples() const { return samples_; }

  void fill(std::uint64_t seed) {
    std::vector<double> canonical;
    for (int i = 0; i < the_parameters.count; ++i) {
      const parameter& p = the_parameters.list[i].description;
      canonical.resize(std::size_t(p.elements()));
      fill_parameter(p, seed, the_parameters.count - 1 - i, canonical.data());
      set_parameter<double>(i, canonical);
    }
  }

  // Parameter `i` of the_parameters.list in canonical order (O, I, K), whatever the device stores.
  template <class U>
  void set_parameter(int i, std::span<const U> canonical) {
    const placed_parameter& p = the_parameters.list[i];
    if (canonical.size() != p.stored.canonical()) throw usage_error("set_parameter: wrong number of elements");
    std::vector<T> stored(p.stored.extent);
    store_weights(p.stored, canonical.data(), stored.data());
    device_.upload(parameters_.data() + p.offset, stored.data(), stored.size());
  }
  std::vector<T> parameter_values(int i) { return canonical_values(parameters_.data(), i); }
  std::vector<T> gradient_values(int i) requires(Options.training) { return canonical_values(gradients_, i); }

  // The arenas as they lie in the device's memory: memory::parameter_elements elements each.
  T* parameters() { return parameters_.data(); }
  T* gradients() { return gradients_; }

  // Takes `samples` inputs in canonical order (N, C, H, W).
  template <class U>
  void load(const U* values, int samples) {
    set_samples(samples);
    device_.load(view(0), values);
  }
  // Throws usage_error for a label that is no class of the network. A network that compares none with any may be given
  // null.
  void load_labels(const std::int32_t* labels) {
    const std::size_t words = set_words(labels, {});
    device_.upload(words_.data(), new_words_.data(), words);
  }
  // Both, and what recorded work looks up: in one go, where the device can.
  template <class U>
  void load(const U* values, int samples, const std::int32_t* labels, live_numbers numbers = {}) {
    set_samples(samples);
    const std::size_t words = set_words(labels, numbers);
    if constexpr (requires { device_.load(view(0), values, words_.data(), new_words_.data(), words); }) {
      device_.load(view(0), values, words_.data(), new_words_.data(), words);
    } else {
      device_.load(view(0), values);
      device_.upload(words_.data(), new_words_.data(), words);
    }
  }
  const live_numbers* live() const { return reinterpret_cast<const live_numbers*>(words_.data()); }
  template <class U>
  void load_targets(const U* values) {
    device_.load(target_view_storage(), values);
  }

  // Every op in order. Losses leave their sums in results(); metrics are computed outside training only. After each op
  // calls done(op index).
  template <class Done>
  void forward(pass now, Done done) {
    const auto go = [&](auto i) {
      forward_op<i>(now);
      done(int(i));
    };
    if constexpr (copies_parameters) {
      constexpr std::size_t late = the_parameters.elements_from(late_op);
      device_.template take_parameters<V>(parameters_.data(), late, the_parameters.elements);
      device_.both([&] { device_.template take_parameters<V>(parameters_.data(), 0, late); },
                   [&] { for_each_op<0, late_op>(go); });
      for_each_op<late_op, op_count>(go);
    } else {
      for_each_op<0, op_count>(go);
    }
  }
  void forward(pass now) {
    forward(now, [](int) {});
  }

  // Ops in reverse order; the loss's gradient is scaled by `scale` (1 over the global batch). `add`: gradients are
  // added to. After each op calls ready(op index): the gradients of that op, and of all after it, are then complete.
  template <class Ready>
  void backward(double scale, pass now, bool add, Ready ready) requires(Options.training) {
    static_assert(trainable<Net>::value);
    now.scale = scale;
    for_each_op<0, op_count>([&](auto i) {
      constexpr int op = op_count - 1 - i;
      backward_op<op>(now, add);
      ready(op);
    });
  }
  void backward(double scale, pass now, bool add = false) requires(Options.training) {
    backward(scale, now, add, [](int) {});
  }

  // The sums that losses and metrics left, one double per op, in the order of the plan; waits for the device.
  std::vector<double> results() {
    std::vector<double> out(memory::results);
    results(std::span<double, memory::results>(out));
    return out;
  }
  void results(std::span<double, memory::results> out) { device_.download(out.data(), results_.data(), out.size()); }

  // The same as they lie in the device's memory.
  const double* device_results() const { return results_.data(); }

  // A value, or its gradient where one is planned, in canonical order. Values between fused or in-place ops, and
  // one operand of a sum, may be gone.
  std::vector<T> value(int v) {
    std::vector<T> out(std::size_t(samples_) * std::size_t(the_plan.values[v].extents.elements()));
    device_.store(out.data(), constant(view(v)));
    return out;
  }
  std::vector<T> gradient(int v) {
    std::vector<T> out(std::size_t(samples_) * std::size_t(the_plan.values[v].extents.elements()));
    device_.store(out.data(), constant(gradient_view(v)));
    return out;
  }
  // What the last transform computed: the scores, or the prediction of a regression.
  std::vector<T> output() { return value(output_value); }

  static constexpr int output_value = [] {
    int v = 0;
    for (int i = 0; i < op_count; ++i)
      if (the_plan.ops[i].output >= 0) v = the_plan.ops[i].output;
    return v;
  }();

  tensor_view<V> view(int v) {
    const planned_value& p = the_plan.values[v];
    const std::size_t base = the_plan.values[p.home].offset * std::size_t(capacity_);
    return {activations_.data() + base + p.shift, samples_, p.extents, p.strides};
  }
  tensor_view<V> gradient_view(int v) {
    const planned_value& p = the_plan.values[v];
    if (!p.gradient) return {nullptr, samples_, p.extents, p.strides};
    const std::size_t base = the_plan.values[p.home].gradient_offset * std::size_t(capacity_);
    return {activations_.data() + base + p.shift, samples_, p.extents, p.strides};
  }

 private:
  void set_samples(int samples) {
    if (samples < 0 || samples > capacity_) throw usage_error("model: more samples than the model was made for");
    samples_ = samples;
  }
  // Returns how many.
  std::size_t set_words(const std::int32_t* labels, live_numbers numbers) {
    std::memcpy(new_words_.data(), &numbers, sizeof numbers);
    const int count = memory::uses_labels ? samples_ : 0;
    for (int n = 0; n < count; ++n) {
      if (labels[n] < 0 || labels[n] >= memory::classes)
        throw usage_error("model: sample " + std::to_string(n) + " has the label " + std::to_string(labels[n]) +
                          "; labels are 0 to " + std::to_string(memory::classes - 1));
      new_words_[memory::live_words + std::size_t(n)] = labels[n];
    }
    return memory::live_words + std::size_t(count);
  }

  template <int I>
  struct slot {
    implementation_of<Net, Device, Options, I> run;
    slot(Device& d, int batch) : run(d, batch) {}
  };
  template <int I>
  requires(the_plan.ops[I].leaf < 0) struct slot<I> {
    slot(Device&, int) {}
  };
  template <class Indices>
  struct slots;
  template <int... I>
  struct slots<std::integer_sequence<int, I...>> : slot<I>... {
    slots(Device& d, int batch) : slot<I>(d, batch)... {}
  };

  template <int I>
  using layer_at = typename op_types<Net, Device, Options, I>::layer_type;

  template <int First, int Last, class F>
  static void for_each_op(F f) {
    [&]<int... I>(std::integer_sequence<int, I...>) { (f(std::integral_constant<int, First + I>{}), ...); }
    (std::make_integer_sequence<int, Last - First>{});
  }

  // Products that take factors of another type have copies, made of the first ops' parameters before these, of the
  // others', which are most, beside them.
  static constexpr bool copies_parameters = !std::is_same_v<V, T>;
  static constexpr int late_op = [] {
    int op = 0;
    while (op < op_count && the_parameters.elements_from(op + 1) >= the_parameters.elements / 16 * 15) ++op;
    return op;
  }();

  static tensor_view<const V> constant(tensor_view<V> v) { return v; }

  tensor_view<T> target_view_storage() {
    return {targets_.data(), samples_, memory::target_shape, Device::value_layout(memory::target_shape)};
  }
  target_view<T> target() { return {words_.data() + memory::live_words, target_view_storage()}; }

  template <int I, class U>
  auto parameters_at(U* base) {
    typename layer_at<I>::template parameters<U*> out{};
    constexpr int first = [] {
      int k = 0;
      while (k < the_parameters.count && the_parameters.list[k].op != I) ++k;
      return k;
    }();
    for_each_field<decltype(out)>([&](auto f) { field<f>(out) = base + the_parameters.list[first + int(f)].offset; });
    return out;
  }

  static constexpr pass pass_of(const op& o, pass now) {
    if (o.leaf >= 0) now.part = std::uint32_t(o.leaf);
    return now;
  }

  template <int I>
  void forward_op(const pass& whole) {
    constexpr planned_op o = the_plan.ops[I];
    if constexpr (o.kind == op_kind::concat) {
      joins_of(*this).concatenate(o);
    } else if constexpr (o.kind == op_kind::sum) {
      joins_of(*this).template add_up<layer_at<I>>(o);
    } else if constexpr (o.kind == op_kind::transform) {
      slot<I>& s = ops_;
      const auto x = constant(view(o.input));
      const auto y = view(o.output);
      const auto p = parameters_at<I, const T>(parameters_.data());
      if constexpr (o.takes_sum_along())
        s.run.forward(device_, x, constant(view(the_plan.operand(o, 1))), y, p, pass_of(o, whole));
      else
        s.run.forward(device_, x, y, p, pass_of(o, whole));
    } else if (o.kind == op_kind::loss || !whole.training) {
      slot<I>& s = ops_;
      const auto x = constant(view(o.input));
      double* sum = results_.data() + I;
      if constexpr (I == last_in_training && writes_gradient_with_loss)
        if (whole.gradient_with_loss)
          return s.run.forward(device_, x, target(), sum, gradient_view(o.input), whole.scale * o.loss_weight,
                               pass_of(o, whole));
      s.run.forward(device_, x, target(), sum, pass_of(o, whole));
    }
  }

  template <int I>
  void backward_op(const pass& whole, bool add) {
    constexpr planned_op o = the_plan.ops[I];
    if constexpr (!o.backward) {
      return;
    } else if constexpr (o.kind == op_kind::concat || o.kind == op_kind::sum) {
      if constexpr (o.fused_leaf >= 0) {
        const auto dy = gradient_view(o.output);
        device_.transform(dy, gradient_of_pointwise<layer_at<I>>{}, constant(view(o.output)), constant(dy));
      }
      joins_of(*this).divide(o, I);
    } else {
      constexpr accumulation planned{the_plan.accumulates(I, o.input), false};
      const accumulation adds{planned.input, add};
      const pass now = pass_of(o, whole);
      slot<I>& s = ops_;
      const auto x = constant(view(o.input));
      const auto dx = gradient_view(o.input);
      if constexpr (o.kind == op_kind::loss) {
        if (!(I == last_in_training && writes_gradient_with_loss && whole.gradient_with_loss))
          s.run.backward(device_, x, target(), dx, whole.scale * o.loss_weight, adds, now);
      } else {
        const auto y = constant(view(o.output));
        const auto dy = gradient_view(o.output);
        const auto p = parameters_at<I, const T>(parameters_.data());
        const auto gradients = parameters_at<I, T>(gradients_);
        if constexpr (o.takes_sum_along()) {
          constexpr int second = the_plan.operand(o, 1);
          constexpr bool lies_there = the_plan.settled[o.first_operand + 1],
                         adds_there = the_plan.accumulates(I, second);
          auto other = gradient_view(second);
          if (lies_there || adds_there) other.data = nullptr;
          s.run.backward(device_, x, y, dy, other, dx, p, gradients, adds, now);
          if (adds_there && !lies_there) joins_of(*this).add_to(gradient_view(second), dy);
        } else {
          s.run.backward(device_, x, y, dy, dx, p, gradients, adds, now);
        }
      }
    }
  }

  std::vector<T> canonical_values(const T* arena, int i) {
    const placed_parameter& p = the_parameters.list[i];
    std::vector<T> stored(p.stored.extent), canonical(p.stored.canonical());
    device_.download(stored.data(), arena + p.offset, stored.size());
    load_weights(p.stored, stored.data(), canonical.data());
    return canonical;
  }

  Device device_;
  int capacity_, samples_ = 0;
  typename Device::template memory<T> parameters_, own_gradients_;
  T* gradients_;
  typename Device::template memory<V> activations_;
  typename Device::template memory<T> targets_;
  typename Device::template memory<std::int32_t> words_;  // live_numbers, then labels
  std::vector<std::int32_t> new_words_;
  typename Device::template memory<double> results_;
  slots<std::make_integer_sequence<int, op_count>> ops_;
};

}  // namespace firecaffe
