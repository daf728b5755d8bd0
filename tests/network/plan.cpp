#include "firecaffe/network/plan.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "firecaffe/cpu/batch_norm.hpp"
#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "firecaffe/network/memory_plan.hpp"
#include "networks.hpp"
#include "reference_layers.hpp"

namespace fc = firecaffe;
using fc::op_kind;

// Runs a plan with names instead of numbers: an op writes the name of each element of its result to where the plan puts
// it, and finds at its operands the names that it expects, or the plan has put two things in one place.
template <class Net, class Device, fc::plan_options Options>
struct symbolic_run {
  static constexpr auto& p = fc::plan<Net, Device, Options>;
  std::vector<std::int64_t> memory = std::vector<std::int64_t>(p.elements, -1);
  int wrong = 0;

  // What lies at element (c, pixel) of value v, or of its gradient: a concat has no names of its own, and what a sum
  // passes to the operand in whose place it lies is its own gradient.
  static std::int64_t name(int v, int c, int pixel, bool gradient) {
    for (int i = 0; i < p.op_count; ++i) {
      const auto& o = p.ops[i];
      if (gradient && (o.kind == op_kind::sum || o.takes_sum_along()) && o.backward)
        for (int k = 0; k < o.operands; ++k)
          if (p.operand(o, k) == v && p.settled[o.first_operand + k]) return name(o.output, c, pixel, gradient);
      if (o.kind != op_kind::concat || o.output != v) continue;
      int first = 0;
      for (int k = 0; k < o.operands; ++k) {
        const int part = p.operand(o, k), channels = p.values[part].extents.channels;
        if (c < first + channels && (!gradient || p.settled[o.first_operand + k]))
          return name(part, c - first, pixel, gradient);
        first += channels;
        if (c < first) break;
      }
    }
    return ((std::int64_t{v} * 2 + gradient) * 4096 + c) * 4096 + pixel;
  }

  template <class F>
  void each(int v, bool gradient, F f) {
    const auto& value = p.values[v];
    const auto& home = p.values[value.home];
    const std::size_t base = (gradient ? home.gradient_offset : home.offset) + std::size_t(value.shift);
    for (int c = 0; c < value.extents.channels; ++c)
      for (int q = 0; q < value.extents.pixels(); ++q)
        f(memory.at(base + std::size_t(value.strides.offset(0, c, q))), name(v, c, q, gradient));
  }
  void write(int v, bool gradient = false) {
    each(v, gradient, [](std::int64_t& at, std::int64_t n) { at = n; });
  }
  void read(int v, bool gradient = false) {
    int bad = 0;
    each(v, gradient, [&](std::int64_t& at, std::int64_t n) { bad += at != n; });
    wrong += bad > 0;
  }

  // The gradient of the loss that training ends with, which is written with that.
  template <int I>
  static constexpr bool early() {
    return Options.training && I == fc::last_op_in_training(p) && p.ops[I].kind == op_kind::loss && p.ops[I].backward;
  }

  template <int I>
  void forward() {
    constexpr auto o = p.ops[I];
    if (Options.training && o.kind == op_kind::metric) return;
    for (int k = 0; k < p.operand_count(o); ++k) read(p.operand(o, k));
    if (o.output >= 0) write(o.output);
    if (early<I>()) write(o.input, true);
  }
  template <int I>
  void backward() {
    constexpr auto o = p.ops[I];
    if (!o.backward || early<I>()) return;
    if (o.output >= 0) read(o.output, true);
    if constexpr (o.leaf >= 0) {
      using L = fc::leaf_of<Net, o.leaf>;
      constexpr bool forgets = !fc::remembers<Device, L>;
      if (o.kind == op_kind::loss || (forgets && L::backward_needs_input)) read(o.input);
      if (o.output >= 0 && forgets && (L::backward_needs_output || o.fused_leaf >= 0)) read(o.output);
    }
    for (int k = 0; k < p.operand_count(o); ++k) {
      const int v = p.operand(o, k);
      if (!p.values[v].gradient || (o.operands > 0 && p.settled[o.first_operand + k])) continue;
      if (p.accumulates(I, v)) read(v, true);
      write(v, true);
    }
  }

  int run() {
    write(0);
    [&]<int... I>(std::integer_sequence<int, I...>) {
      (forward<I>(), ...);
      if (Options.training) (backward<p.op_count - 1 - I>(), ...);
    }
    (std::make_integer_sequence<int, p.op_count>{});
    for (int v = 0; v < int(sizeof p.values / sizeof p.values[0]); ++v) {
      bool consumed = !p.values[v].used;
      for (int i = 0; i < p.op_count; ++i)
        for (int k = 0; k < p.operand_count(p.ops[i]); ++k) consumed = consumed || p.operand(p.ops[i], k) == v;
      if (!consumed) read(v);
    }
    if (Options.input_gradient && p.values[0].gradient) read(0), read(0, true);
    return wrong;
  }
};

template <class Net, class Device, fc::plan_options Options>
void run_symbolically(const char* name) {
  INFO(std::string(name), " on ", std::string(Device::name), ", training ", Options.training);
  CHECK(symbolic_run<Net, Device, Options>{}.run() == 0);
}

// As a device is whose maximum pooling reads x and y once more.
struct forgetful : fc::basic_cpu<8> {
  template <class Layer>
  static constexpr bool remembers = false;
};

TEST_CASE("what ops read is what was written for them") {
  constexpr fc::plan_options everything{true, true}, training{}, inference{false, false};
  using cpu = fc::basic_cpu<8>;
  run_symbolically<networks::joins, cpu, everything>("joins");
  run_symbolically<networks::joins, cpu, inference>("joins");
  run_symbolically<networks::joins, fc::reference, training>("joins");
  run_symbolically<networks::joins, fc::copying_reference, training>("joins");
  run_symbolically<networks::residuals, cpu, everything>("residuals");
  run_symbolically<networks::residuals, cpu, inference>("residuals");
  run_symbolically<networks::residuals, fc::reference, training>("residuals");
  run_symbolically<networks::normalised_sums, cpu, everything>("normalised sums");
  run_symbolically<networks::normalised_sums, cpu, training>("normalised sums");
  run_symbolically<networks::more_normalised_sums, cpu, everything>("more normalised sums");
  run_symbolically<networks::rectified_pools, cpu, everything>("rectified pools");
  run_symbolically<networks::rectified_pools, cpu, inference>("rectified pools");
  run_symbolically<networks::rectified_pools, forgetful, everything>("rectified pools");
  run_symbolically<networks::inceptions, forgetful, training>("inceptions");
  run_symbolically<networks::normalised_sums, cpu, inference>("normalised sums");
  run_symbolically<networks::heads, cpu, training>("heads");
  run_symbolically<networks::heads, fc::reference, inference>("heads");
  run_symbolically<networks::slices, cpu, everything>("slices");
  run_symbolically<networks::inceptions, cpu, training>("inceptions");
  run_symbolically<networks::inceptions, cpu, inference>("inceptions");
}

TEST_CASE("what a layer remembers is not kept for it") {
  struct net : fc::network<fc::input<3, 8, 8>, fc::conv<8, fc::kernel<3>, fc::pad<1>>, fc::relu,
                           fc::max_pool<fc::kernel<2>, fc::stride<2>>, fc::lrn<>, fc::dense<2>, fc::softmax_loss> {};
  constexpr auto& p = fc::plan<net, fc::basic_cpu<8>>;
  constexpr auto& kept = fc::plan<net, forgetful>;
  REQUIRE((p.op_count == 5 && p.ops[1].fused_leaf == 1));  // the ReLU has gone behind the maximum
  CHECK(p.values[p.ops[1].input].dies == 1);
  CHECK(kept.values[kept.ops[1].input].dies == 8);
  CHECK(p.elements < kept.elements);
  CHECK((!p.backward_reads_input(1) && !p.backward_reads_output(1) && p.backward_reads_input(2)));
  CHECK((kept.backward_reads_input(1) && kept.backward_reads_output(1)));
  CHECK((fc::remembers<fc::basic_cpu<8>, fc::max_pool<fc::kernel<2>>> && !fc::remembers<fc::basic_cpu<8>, fc::lrn<>>));
}

TEST_CASE("branches in whole blocks are slices, others are copied") {
  struct net : fc::network<fc::input<16, 6, 5>, networks::inception<16, 32, 8, 24>, networks::inception<16, 8, 8, 4>,
                           fc::dense<2>, fc::softmax_loss> {};
  constexpr auto& p = fc::plan<net, fc::basic_cpu<8>>;
  for (int k = 0; k < 4; ++k) CHECK(p.settled[k]);
  CHECK((p.settled[4] && p.settled[5] && p.settled[6] && !p.settled[7]));
  for (int k = 0; k < 8; ++k) CHECK(fc::plan<net, fc::reference>.settled[k]);
  for (int k = 0; k < 8; ++k) CHECK(!fc::plan<net, fc::copying_reference>.settled[k]);
}

TEST_CASE("a value that is read after the concat is not overwritten by it") {
  struct net : fc::network<fc::input<8, 2, 2>, fc::conv<8, fc::kernel<1>>,
                           fc::concat<fc::conv<8, fc::kernel<1>>, fc::identity>, fc::dense<2>, fc::softmax_loss> {};
  struct input_first : fc::network<fc::input<8, 2, 2>, fc::concat<fc::identity, fc::conv<8, fc::kernel<1>>>,
                                   fc::dense<2>, fc::softmax_loss> {};
  CHECK((fc::plan<net, fc::basic_cpu<8>>.settled[0] && fc::plan<net, fc::basic_cpu<8>>.settled[1]));
  CHECK(!fc::plan<input_first, fc::basic_cpu<8>>.settled[0]);  // the network's input stays what the caller loaded
}

TEST_CASE("conv and dense layers take their activation along, and dropout runs in place") {
  struct net : fc::network<fc::input<8, 4, 4>, fc::conv<8, fc::kernel<1>>, fc::relu, fc::dropout<>,
                           fc::conv<8, fc::kernel<1>>, fc::sigmoid, fc::conv<8, fc::kernel<1>>,
                           fc::tap<fc::ratio<1>, fc::dense<2>, fc::tanh, fc::softmax_loss>, fc::relu, fc::dense<2>,
                           fc::softmax_loss> {};
  constexpr auto& p = fc::plan<net, fc::basic_cpu<8>>;
  REQUIRE(p.op_count == 10);
  CHECK(p.ops[0].fused_leaf == 1);                                         // conv + relu
  CHECK(p.values[p.ops[1].input].home != p.values[p.ops[1].output].home);  // whose result its backward pass needs
  CHECK(p.ops[2].fused_leaf == -1);                                        // oneDNN's convolution ends in a relu only
  CHECK(p.values[p.ops[3].input].home == p.values[p.ops[3].output].home);  // so sigmoid overwrites
  CHECK(p.ops[4].fused_leaf == -1);                                        // the tap reads what relu would change
  CHECK(p.ops[5].fused_leaf >= 0);                                         // dense + tanh
  CHECK(p.values[p.ops[7].input].home == p.values[p.ops[4].output].home);
  constexpr auto& inference = fc::plan<net, fc::basic_cpu<8>, fc::plan_options{false, false}>;
  CHECK(inference.values[inference.ops[1].input].home == inference.values[inference.ops[1].output].home);
  CHECK(inference.elements < p.elements);
  constexpr auto& unfused = fc::plan<net, fc::reference>;
  for (int i = 0; i < unfused.op_count; ++i) CHECK(unfused.ops[i].fused_leaf == -1);
}

TEST_CASE("a sum lies where an operand did that nobody else reads, and takes its activation along") {
  struct net : fc::network<fc::input<8, 4, 4>, fc::conv<8, fc::kernel<1>>,
                           fc::sum<fc::conv<8, fc::kernel<1>>, fc::conv<8, fc::kernel<1>>>, fc::relu,
                           fc::sum<fc::conv<8, fc::kernel<1>>, fc::identity>, fc::tanh,
                           fc::sum<fc::chain<fc::conv<8, fc::kernel<1>>, fc::relu>, fc::identity>, fc::sigmoid,
                           fc::dense<2>, fc::softmax_loss> {};
  constexpr auto& p = fc::plan<net, fc::basic_cpu<8>>;
  constexpr auto& unfused = fc::plan<net, fc::reference>;
  constexpr int place[][2] = {{0, 1}, {1, 0}, {0, 0}};
  int sums = 0;
  for (int i = 0; i < p.op_count; ++i)
    if (p.ops[i].kind == op_kind::sum) {
      CHECK(p.ops[i].fused_leaf >= 0);
      for (int k = 0; k < 2; ++k) {
        CHECK(int(p.settled[p.ops[i].first_operand + k]) == place[sums][k]);
        CHECK(int(p.values[p.operand(p.ops[i], k)].home == p.values[p.ops[i].output].home) == place[sums][k]);
      }
      ++sums;
    }
  CHECK(sums == 3);
  CHECK(p.op_count + 4 == unfused.op_count);  // three behind sums, one behind a convolution
}

TEST_CASE("a normalisation takes along the sum of its result and another value, and what follows") {
  using norm = fc::batch_norm<>;
  using conv = fc::conv<8, fc::kernel<1>>;
  struct net : fc::network<fc::input<8, 4, 4>, conv, fc::sum<fc::identity, fc::chain<conv, norm>>, fc::relu,
                           fc::sum<conv, fc::chain<conv, norm>>, fc::sum<fc::chain<conv, norm>, fc::identity>, fc::tanh,
                           fc::sum<fc::chain<conv, norm>, conv>, fc::sum<norm, fc::identity>,
                           fc::sum<conv, fc::identity, fc::chain<conv, norm>>, conv, norm,
                           fc::sum<fc::identity, fc::identity>, fc::dense<2>, fc::softmax_loss> {};
  constexpr auto& p = fc::plan<net, fc::basic_cpu<8>>;
  std::vector<int> taken;
  for (int i = 0; i < p.op_count; ++i)
    if (p.ops[i].takes_sum_along()) {
      taken.push_back(p.ops[i].leaf);
      CHECK(p.operand(p.ops[i], 0) == p.ops[i].input);
      CHECK(p.operand(p.ops[i], 1) == (i == 7 ? p.ops[5].output : i == 2 ? p.ops[0].output : p.ops[i - 2].output));
      CHECK(p.settled[p.ops[i].first_operand + 1] == (i == 5));  // the others are read by a convolution too
      CHECK(p.ops[i].fused_leaf == (i == 2 ? 3 : -1));           // not the tanh: the cpu has no such pass
    }
  CHECK(taken == std::vector<int>{2, 6, 8});
}

TEST_CASE("a relu goes behind the maximum that alone reads it") {
  using conv = fc::conv<8, fc::kernel<1>>;
  using pool = fc::max_pool<fc::kernel<2>>;
  using head = fc::chain<pool, fc::dense<2>, fc::softmax_loss>;
  struct net : fc::network<fc::input<8, 9, 9>, conv, fc::relu, pool, fc::relu, conv, fc::sigmoid, pool, conv, fc::relu,
                           fc::avg_pool<fc::kernel<2>>, conv, fc::relu, fc::tap<fc::ratio<1>, head>, head> {};
  constexpr auto& p = fc::plan<net, fc::basic_cpu<8>>;
  const int leaf[] = {0, 2, 3, 4, 5, 6, 7, 9, 10}, behind[] = {-1, 1, -1, -1, -1, -1, 8, -1, 11};
  for (int i = 0; i < 9; ++i) {
    INFO("op ", i);
    CHECK(p.ops[i].leaf == leaf[i]);
    CHECK(p.ops[i].fused_leaf == behind[i]);
    if (i > 0) CHECK(p.ops[i].input == p.ops[i - 1].output);
  }
  CHECK(p.op_count + 3 == fc::plan<net, fc::reference>.op_count);
}

TEST_CASE("no gradient is computed that nobody wants") {
  constexpr auto& p = fc::plan<networks::heads, fc::basic_cpu<8>>;
  CHECK(!p.values[0].gradient);
  int dead = 0;
  for (int i = 0; i < p.op_count; ++i) dead += p.ops[i].kind == op_kind::transform && !p.ops[i].backward;
  CHECK(dead == 3);  // conv, dense of the head that ends in nothing; dense of the one that ends in a metric
}
