#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "firecaffe/cuda.hpp"

namespace fc = firecaffe;
using namespace firecaffe;

namespace {

// A row-major matrix on the device, `first` elements into its memory. All there is of it is NaN but its elements, and
// those too until they are set.
template <class V>
struct matrix {
  cuda_device& device;
  int rows, columns;
  std::ptrdiff_t pitch, first;
  std::vector<V> host;
  device_memory<V> memory;

  matrix(cuda_device& d, int height, int width, std::ptrdiff_t apart, std::ptrdiff_t offset = 0)
      : device(d),
        rows(height),
        columns(width),
        pitch(apart),
        first(offset),
        host(std::size_t(offset + height * apart), V(std::numeric_limits<float>::quiet_NaN())),
        memory(d.allocate<V>(host.size())) {
    send();
  }
  V* data() { return memory.data() + first; }
  double at(int i, int j) const { return double(float(host[std::size_t(first + i * pitch + j)])); }

  matrix& set(std::uint64_t seed, std::uint32_t part) {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        host[std::size_t(first + i * pitch + j)] =
            V(float(2 * random_unit({seed, 0, 0, random_use::test, part}, std::uint64_t(i * columns + j)) - 1));
    send();
    return *this;
  }
  // Zero but for its first rows and columns.
  matrix& keep(int height, int width) {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        if (i >= height || j >= width) host[std::size_t(first + i * pitch + j)] = V(0);
    send();
    return *this;
  }
  std::vector<V> fetch() {
    std::vector<V> now(host.size());
    device.download(now.data(), memory.data(), now.size());
    return now;
  }
  // The largest of |element - wanted(i, j)| over allowed(i, j); infinite where one is NaN, or where another than these
  // has changed, `padding` columns excepted, which must be zero.
  template <class Wanted, class Allowed>
  double error(Wanted wanted, Allowed allowed, int padding = 0) {
    const std::vector<V> now = fetch();
    double worst = 0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      const std::ptrdiff_t from = std::ptrdiff_t(i) - first, row = from / pitch, column = from % pitch;
      const double v = double(float(now[i])), before = double(float(host[i]));
      if (from >= 0 && column < columns)
        worst = std::fmax(worst, std::isnan(v)
                                     ? INFINITY
                                     : std::fabs(v - wanted(int(row), int(column))) / allowed(int(row), int(column)));
      else if (from >= 0 && column < columns + padding)
        worst = v == 0 ? worst : INFINITY;
      else
        worst = v == before || (std::isnan(v) && std::isnan(before)) ? worst : INFINITY;
    }
    return worst;
  }

 private:
  void send() { device.upload(memory.data(), host.data(), host.size()); }
};

struct sum_of_products {
  double value = 0, size = 0;
  void add(double a, double b) { value += a * b, size += std::fabs(a * b); }
};

// What sums of products may be off by: factors of 10 bits, and the order; and values when they are stored.
template <class Device>
struct precision {
  static constexpr double of_sums = Device::policy_of_type.math == cuda_math::tf32 ? 2.1e-3 : 4e-6;
  template <class C>
  static constexpr double of_value = sizeof(C) == 2 ? 1.0 / 256 : 1e-6;
};

template <class Device, class C>
void check_products(std::uint64_t seed) {
  using V = typename Device::value;
  using exact = precision<Device>;
  Device device;
  struct extents {
    int m, n, k, odd;
  };
  for (const extents s : {extents{5, 7, 3, 1}, {8, 16, 24, 8}, {1, 33, 70, 3}, {64, 1, 9, 0}, {40, 24, 0, 5}})
    for (int which = 0; which < 8; ++which) {
      const bool ta = which & 1, tb = which & 2;
      const float beta = which & 4 ? 1.0f : 0.0f;
      matrix<V> a(device, ta ? s.k : s.m, ta ? s.m : s.k, (ta ? s.m : s.k) + s.odd, s.odd);
      matrix<V> b(device, tb ? s.n : s.k, tb ? s.k : s.n, (tb ? s.k : s.n) + 2 * s.odd, s.odd);
      matrix<C> c(device, s.m, s.n, s.n + s.odd, s.odd);
      a.set(seed, 1), b.set(seed, 2);
      if (beta != 0) c.set(seed, 3);
      device.gemm(ta, tb, s.m, s.n, s.k, a.data(), a.pitch, b.data(), b.pitch, beta, c.data(), c.pitch);
      const auto wanted = [&](int i, int j) {
        sum_of_products sum;
        if (beta != 0) sum.add(c.at(i, j), 1);
        for (int l = 0; l < s.k; ++l) sum.add(ta ? a.at(l, i) : a.at(i, l), tb ? b.at(j, l) : b.at(l, j));
        return sum;
      };
      CAPTURE(std::string(Device::name));
      CAPTURE(seed);
      CAPTURE(s.m);
      CAPTURE(s.n);
      CAPTURE(s.k);
      CAPTURE(which);
      CHECK(c.error([&](int i, int j) { return wanted(i, j).value; },
                    [&](int i, int j) {
                      const sum_of_products sum = wanted(i, j);
                      return exact::of_sums * sum.size + exact::template of_value<C> * std::fabs(sum.value) + 1e-6;
                    }) <= 1);
    }
}

// A dense layer of `outputs` from `inputs` on the device, in rows that are `apart` elements longer than they need to
// be.
template <class Device>
struct dense_case {
  using V = typename Device::value;
  using exact = precision<Device>;
  static constexpr int bias_at = 32;  // parameters that are copied for products begin with something else

  Device& device;
  std::uint64_t seed;
  int samples, inputs, outputs, apart;
  matrix<V> x, w, y, dy, dx;
  matrix<float> dw, bias, bias_gradient;

  dense_case(Device& d, std::uint64_t s, int n, int from, int to, int extra)
      : device(d),
        seed(s),
        samples(n),
        inputs(from),
        outputs(to),
        apart(extra),
        x(d, n, from, from + extra),
        w(d, padded_channels<V>(to), from, from + 2 * extra),
        y(d, n, to, padded_channels<V>(to) + extra / lanes<V> * lanes<V>),
        dy(d, n, padded_channels<V>(to), y.pitch),
        dx(d, n, from, from + 3 * extra),
        dw(d, to, from, from + 2 * extra),
        bias(d, 1, padded_channels<V>(to), bias_at + padded_channels<V>(to), bias_at),
        bias_gradient(d, 1, to, to) {
    x.set(seed, 1), w.set(seed, 2).keep(to, from), bias.set(seed, 3).keep(1, to), dy.set(seed, 4).keep(n, to);
    device.template take_parameters<V>(bias.memory.data(), 0, bias.memory.size());
  }

  tensor_view<V> view(matrix<V>& of) {
    const shape s{outputs};
    layout l = Device::value_layout(s);
    l.sample = l.pixel = of.pitch;
    return {of.data(), samples, s, l};
  }
  int padding() const { return padded_channels<V>(outputs) - outputs; }

  template <class Activation>
  void check_forward(bool with_bias) {
    forward<Activation>(with_bias);
    const auto sum = [&](int n, int o) {
      sum_of_products s;
      for (int k = 0; k < inputs; ++k) s.add(x.at(n, k), w.at(o, k));
      return s;
    };
    const auto before = [&](int n, int o) { return sum(n, o).value + (with_bias ? bias.at(0, o) : 0.0); };
    CHECK(y.error([&](int n, int o) { return Activation::value(before(n, o)); },
                  [&](int n, int o) {  // activations here do not enlarge it
                    const sum_of_products s = sum(n, o);
                    const double stored = std::fabs(s.value) + std::fabs(before(n, o)) + std::fabs(bias.at(0, o)) +
                                          std::fabs(Activation::value(before(n, o)));
                    return exact::of_sums * s.size + exact::template of_value<V> * stored + 1e-6;
                  },
                  padding()) <= 1);
  }

  template <class Activation>
  void forward(bool with_bias) {
    dense_forward<Activation, V>(device, view(y), inputs, {x.data(), x.pitch}, {w.data(), w.pitch},
                                 with_bias ? bias.data() : nullptr);
  }
  template <class Activation>
  void backward(bool with_bias, bool add) {
    dense_backward<Activation, V>(device, view(y), view(dy), inputs, {x.data(), x.pitch}, {w.data(), w.pitch},
                                  {dx.data(), dx.pitch}, {dw.data(), dw.pitch},
                                  with_bias ? bias_gradient.data() : nullptr, {add, add});
  }

  template <class Activation>
  void check_backward(bool with_bias, bool add) {
    y.set(seed, 5);
    if (add) dw.set(seed, 6), bias_gradient.set(seed, 7), dx.set(seed, 8);
    backward<Activation>(with_bias, add);
    const auto masked = [&](int n, int o) {
      return o < outputs ? double(float(V(float(dy.at(n, o)) * Activation::slope(float(y.at(n, o)))))) : 0.0;
    };
    CHECK(dy.error(masked, [&](int, int) { return 1e-6; }) <= 1);
    const auto weights = [&](int o, int k) {
      sum_of_products s;
      if (add) s.add(dw.at(o, k), 1);
      for (int n = 0; n < samples; ++n) s.add(masked(n, o), x.at(n, k));
      return s;
    };
    // A slope that is rounded when it is stored may be summed before.
    const double rounded = std::is_same_v<Activation, sigmoid> ? exact::template of_value<V> : 0;
    const auto biases = [&](int, int o) {
      sum_of_products s;
      if (add) s.add(bias_gradient.at(0, o), 1);
      for (int n = 0; n < samples; ++n) s.add(masked(n, o), 1);
      return s;
    };
    const auto inputs_of = [&](int n, int k) {
      sum_of_products s;
      if (add) s.add(dx.at(n, k), 1);
      for (int o = 0; o < outputs; ++o) s.add(masked(n, o), w.at(o, k));
      return s;
    };
    CHECK(dx.error([&](int n, int k) { return inputs_of(n, k).value; },
                   [&](int n, int k) {
                     const sum_of_products s = inputs_of(n, k);
                     return exact::of_sums * s.size + exact::template of_value<V> * std::fabs(s.value) + 1e-6;
                   }) <= 1);
    const auto allowed = [&](const sum_of_products& s) { return (exact::of_sums + rounded) * s.size + 1e-6; };
    CHECK(dw.error([&](int o, int k) { return weights(o, k).value; },
                   [&](int o, int k) { return allowed(weights(o, k)); }) <= 1);
    if (with_bias)
      CHECK(bias_gradient.error([&](int i, int o) { return biases(i, o).value; },
                                [&](int i, int o) { return allowed(biases(i, o)); }) <= 1);
    else
      CHECK(bias_gradient.error([&](int i, int o) { return bias_gradient.at(i, o); }, [](int, int) { return 1.0; }) <=
            (add ? 0 : INFINITY));
  }
};

template <class Device, class Activation>
void check_dense(std::uint64_t seed) {
  Device device;
  struct extents {
    int samples, inputs, outputs, apart;
  };
  for (const extents s : {extents{5, 37, 16, 0},
                          {33, 64, 8, 8},
                          {1, 9, 24, 3},
                          {17, 20, 10, 11},
                          {6, 5, 7, 1},
                          {0, 12, 8, 0},
                          {4, 0, 8, 2},
                          {70, 3, 40, 9}})
    for (const bool with_bias : {true, false}) {
      CAPTURE(std::string(Device::name));
      CAPTURE(std::string(Activation::name));
      CAPTURE(seed);
      CAPTURE(s.samples);
      CAPTURE(s.inputs);
      CAPTURE(s.outputs);
      CAPTURE(s.apart);
      CAPTURE(with_bias);
      dense_case<Device>(device, seed, s.samples, s.inputs, s.outputs, s.apart)
          .template check_forward<Activation>(with_bias);
      for (const bool add : {false, true}) {
        CAPTURE(add);
        dense_case<Device>(device, seed, s.samples, s.inputs, s.outputs, s.apart)
            .template check_backward<Activation>(with_bias, add);
      }
    }
}

// A convolution with windows of one pixel, between values whose pixels are `apart` elements further from each other
// than they need to be.
template <class Device>
struct pixel_convolution {
  using V = typename Device::value;
  using exact = precision<Device>;
  static constexpr int in = 16, out = 24, samples = 3, height = 4, width = 5, rows = samples * height * width;
  static constexpr cudnn_geometry geometry =
      make_cudnn_geometry<V>(1, {in, height, width}, {out, height, width}, {.kernel_h = 1, .kernel_w = 1});
  Device device;
  cuda_products<V> products{geometry};
  matrix<V> x, w, y, bias;
  matrix<float> dw;

  pixel_convolution(std::uint64_t seed, int apart)
      : x(device, rows, in, in + apart),
        w(device, out, in, in),
        y(device, rows, out, out + 2 * apart),
        bias(device, 1, out, out),
        dw(device, out, in, in) {
    w.set(seed, 2), bias.set(seed, 4);
  }

  cudnn_request request(cudnn_request::pass what, bool add = false) const {
    return {what, samples, x.pitch, y.pitch, add};
  }
  void run(const cudnn_request& r) {
    const bool biased = r.what == cudnn_request::forward_bias || r.what == cudnn_request::forward_bias_relu;
    products.run(device, r, x.data(), w.data(), y.data(), biased ? bias.data() : nullptr,
                 device.scratch(products.workspace(device, r)));
  }

  template <class Of>
  void check(matrix<Of>& result, bool rectified, auto terms) {
    const auto sum_at = [&](int i, int j) {
      sum_of_products s;
      terms(s, i, j);
      return s;
    };
    CHECK(
        result.error([&](int i, int j) { return rectified ? std::fmax(sum_at(i, j).value, 0.0) : sum_at(i, j).value; },
                     [&](int i, int j) {  // gradients of weights may come in the type of values
                       const sum_of_products s = sum_at(i, j);
                       return exact::of_sums * s.size + 2 * exact::template of_value<V> * s.size + 1e-6;
                     }) <= 1);
  }
  void check_forward(std::uint64_t seed, cudnn_request::pass what, bool add) {
    x.set(seed, 1);
    if (add) y.set(seed, 3);
    run(request(what, add));
    check(y, what == cudnn_request::forward_bias_relu, [&](sum_of_products& s, int i, int o) {
      if (add) s.add(y.at(i, o), 1);
      if (what != cudnn_request::forward) s.add(bias.at(0, o), 1);
      for (int c = 0; c < in; ++c) s.add(x.at(i, c), w.at(o, c));
    });
  }
  void check_input_gradient(std::uint64_t seed, bool add) {
    y.set(seed, 3);
    if (add) x.set(seed, 1);
    run(request(cudnn_request::input_gradient, add));
    check(x, false, [&](sum_of_products& s, int i, int c) {
      if (add) s.add(x.at(i, c), 1);
      for (int o = 0; o < out; ++o) s.add(y.at(i, o), w.at(o, c));
    });
  }
  void check_weight_gradient(std::uint64_t seed, bool add) {
    x.set(seed, 1), y.set(seed, 3);
    if (add) dw.set(seed, 5);
    products.weight_gradient(device, request(cudnn_request::weight_gradient), x.data(), y.data(), dw.data(), add);
    check(dw, false, [&](sum_of_products& s, int o, int c) {
      if (add) s.add(dw.at(o, c), 1);
      for (int i = 0; i < rows; ++i) s.add(y.at(i, o), x.at(i, c));
    });
  }
};

}  // namespace

TEST_CASE_TEMPLATE("products of matrices", Device, fc::cuda, cuda_tf32, cuda_bf16, cuda_fastest<fc::cuda>,
                   cuda_fastest<cuda_bf16>) {
  for (std::uint64_t seed : {1, 2}) {
    check_products<Device, float>(seed);
    check_products<Device, typename Device::value>(seed + 2);
  }
}

TEST_CASE_TEMPLATE("dense layers and what follows them", Device, fc::cuda, cuda_tf32, cuda_bf16, cuda_fastest<fc::cuda>,
                   cuda_fastest<cuda_bf16>) {
  for (std::uint64_t seed : {5, 6}) {
    check_dense<Device, identity>(seed);
    check_dense<Device, relu>(seed);
    check_dense<Device, sigmoid>(seed);
  }
}

TEST_CASE_TEMPLATE("they repeat to the bit, asked for again, by another device object and as a graph", Device, fc::cuda,
                   cuda_tf32, cuda_bf16) {
  using V = typename Device::value;
  Device first, second;
  std::vector<V> y, dx;
  std::vector<float> dw, bias_gradient;
  for (Device* device : {&first, &second}) {
    dense_case<Device> c(*device, 7, 96, 130, 48, 2);
    cuda_recorder recorder(*device);
    for (int i = 0; i < 4; ++i) {
      CAPTURE(i);
      int cuts = 0;
      const auto work = [&](auto cut) {
        c.template forward<relu>(true);
        cut(3);
        c.template backward<identity>(true, false);
        cut(7);
      };
      recorder.run(*device, {}, work, [&](int n) { cuts += n; });
      CHECK(cuts == 10);
      const auto same = [](const auto& a, const auto& b) {
        return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
      };
      if (y.empty()) y = c.y.fetch(), dx = c.dx.fetch(), dw = c.dw.fetch(), bias_gradient = c.bias_gradient.fetch();
      CHECK(same(c.y.fetch(), y));
      CHECK(same(c.dx.fetch(), dx));
      CHECK(same(c.dw.fetch(), dw));
      CHECK(same(c.bias_gradient.fetch(), bias_gradient));
    }
  }
}

TEST_CASE_TEMPLATE("convolutions of single pixels are products", Device, fc::cuda, cuda_tf32, cuda_bf16,
                   cuda_fastest<fc::cuda>, cuda_fastest<cuda_bf16>) {
  for (const int apart : {0, 8, 40})
    for (const bool add : {false, true}) {
      const std::uint64_t seed = std::uint64_t(apart) + 50;
      CAPTURE(std::string(Device::name));
      CAPTURE(apart);
      CAPTURE(add);
      const auto fresh = [&] { return pixel_convolution<Device>(seed, apart); };
      fresh().check_forward(seed, cudnn_request::forward, add);
      fresh().check_input_gradient(seed, add);
      fresh().check_weight_gradient(seed, add);
      if (add) continue;
      fresh().check_forward(seed, cudnn_request::forward_bias, false);
      fresh().check_forward(seed, cudnn_request::forward_bias_relu, false);
      // Without a choice by time: where cuDNN would copy.
      auto c = fresh();
      if (c.device.policy().kernels == cuda_kernels::fastest ||
          (apart == 0 && c.device.policy().math != cuda_math::fp32))
        continue;
      for (const auto what : {cudnn_request::forward, cudnn_request::forward_bias, cudnn_request::forward_bias_relu,
                              cudnn_request::input_gradient})
        CHECK(c.products.workspace(c.device, c.request(what)) == 0);
      CHECK(c.products.weight_gradient_space(c.device, c.request(cudnn_request::weight_gradient)) == 0);
    }
}
