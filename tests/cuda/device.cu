#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "firecaffe/cuda.hpp"

namespace fc = firecaffe;
using namespace firecaffe;

namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

std::vector<float> numbers(std::size_t count, std::uint32_t part) {
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = float(2 * random_unit({99, 0, 0, random_use::test, part}, i) - 1);
  return out;
}

// A value on the device, all of it NaN at first; `first` and `whole` make it a slice of a larger one.
struct value {
  fc::cuda& device;
  layout strides;
  device_memory<float> memory;
  tensor_view<float> view;

  value(fc::cuda& d, int samples, shape s, int whole = 0, int first = 0)
      : device(d),
        strides(fc::cuda::value_layout({whole > 0 ? whole : s.channels, s.height, s.width})),
        memory(d.allocate<float>(std::size_t(samples) * std::size_t(strides.sample))),
        view{memory.data() + first, samples, s, strides} {
    const std::vector<float> poison(memory.size(), nan_value);
    device.upload(memory.data(), poison.data(), poison.size());
  }
  std::vector<float> all() {
    std::vector<float> out(memory.size());
    device.download(out.data(), memory.data(), out.size());
    return out;
  }
  std::vector<float> canonical() {
    std::vector<float> out(std::size_t(view.samples) * std::size_t(view.extents.elements()));
    device.store(out.data(), tensor_view<const float>(view));
    return out;
  }
  void set(std::uint32_t part) {
    const std::vector<float> v = numbers(std::size_t(view.samples) * std::size_t(view.extents.elements()), part);
    device.load(view, v.data());
  }
  bool padding_is_zero() {
    const std::vector<float> v = all();
    const std::ptrdiff_t start = view.data - memory.data();
    for (int n = 0; n < view.samples; ++n)
      for (int p = 0; p < view.extents.pixels(); ++p)
        for (int c = view.extents.channels; c < padded_channels<float>(view.extents.channels); ++c)
          if (!(v[std::size_t(start + n * strides.sample + p * strides.pixel + c)] == 0)) return false;
    return true;
  }
  // Elements that are still NaN.
  int untouched() {
    int n = 0;
    for (float x : all()) n += std::isnan(x);
    return n;
  }
};

struct add_three {
  static constexpr bool preserves_zero = false;
  template <class T>
  FIRECAFFE_HD T operator()(T a, T b, T c) const {
    return a + T(2) * b - c + T(1);
  }
};
struct name_of_element {
  template <class T>
  FIRECAFFE_HD T operator()(int sample, int element, T x) const {
    return T(1000 * sample + element) + x;
  }
};
struct product {
  template <class T>
  FIRECAFFE_HD T operator()(T a, T b) const {
    return a * b;
  }
};
struct fill_with_index {
  std::int64_t* out;
  FIRECAFFE_HD void operator()(std::size_t i) const { out[i] = std::int64_t(i); }
};

// Keeps the stream busy, so that what is asked for next waits.
struct take_long {
  float* out;
  FIRECAFFE_HD void operator()(std::size_t i) const {
    float x = float(i);
    for (int k = 0; k < 2'000'000; ++k) x = x * 0.999f + 1.0f;
    out[i] = x;
  }
};

}  // namespace

TEST_CASE("devices that are not there are usage errors") {
  CHECK(fc::cuda::available());
  CHECK_THROWS_AS(fc::cuda(fc::cuda::devices()), usage_error);
  CHECK_THROWS_AS(fc::cuda(-1), usage_error);
}

TEST_CASE("what cannot be allocated is an error that names the device") {
  fc::cuda device;
  try {
    device.allocate<float>(std::size_t{1} << 60);
    FAIL("no error");
  } catch (const error& e) {
    const std::string what = e.what();
    CHECK(what.find("cudaMalloc") != std::string::npos);
    CHECK(what.find("device 0") != std::string::npos);
  }
  CHECK(device.allocate<float>(10).size() == 10);
}

TEST_CASE("memory is zero, and what is sent comes back, in pieces too") {
  fc::cuda device;
  for (std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, (std::size_t{9} << 20) / 4 + 3}) {
    auto memory = device.allocate<float>(count);
    std::vector<float> out(count, nan_value);
    device.download(out.data(), memory.data(), count);
    CHECK(out == std::vector<float>(count));
    std::vector<float> in = numbers(count, 1);
    const std::vector<float> kept = in;
    device.upload(memory.data(), in.data(), count);
    std::fill(in.begin(), in.end(), nan_value);  // the caller may
    device.download(out.data(), memory.data(), count);
    CHECK(out == kept);
  }
}

TEST_CASE("values are loaded and stored in canonical order, with zeros in their padding") {
  fc::cuda device;
  for (const shape s : {shape{1, 28, 28}, shape{3, 5, 4}, shape{4, 3, 3}, shape{10}, shape{67, 3, 2}})
    for (int samples : {0, 1, 5}) {
      value x(device, samples, s);
      x.set(2);
      CHECK(x.canonical() == numbers(std::size_t(samples) * std::size_t(s.elements()), 2));
      CHECK(x.padding_is_zero());
    }
  value slice(device, 3, {6, 2, 2}, 30, 24);
  slice.set(3);
  CHECK(slice.canonical() == numbers(3 * 24, 3));
  CHECK(slice.untouched() == 3 * 4 * 24);
  std::vector<std::uint8_t> bytes(3 * 24, 200);
  device.load(slice.view, bytes.data());
  CHECK(slice.canonical() == std::vector<float>(bytes.size(), 200.0f));
}

TEST_CASE("words come with a batch") {
  fc::cuda device;
  std::vector<std::int32_t> words(1100);
  for (std::size_t i = 0; i < words.size(); ++i)
    words[i] = std::int32_t(random_word({8, 0, 0, random_use::test, 0}, i));
  auto there = device.allocate<std::int32_t>(words.size());
  const std::vector<std::int32_t> before(words.size(), -7);
  for (const shape s : {shape{1, 28, 28}, shape{5}})
    for (int samples : {0, 1, 3})
      for (std::size_t count : {0, 1, 3, 64, 65, 960, 961, 1100}) {
        INFO(samples, " samples of ", s.channels, " channels, ", count, " words");
        value x(device, samples, s);
        const std::vector<float> v = numbers(std::size_t(samples) * std::size_t(s.elements()), 3);
        device.upload(there.data(), before.data(), before.size());
        device.load(x.view, v.data(), there.data(), words.data(), count);
        CHECK(x.canonical() == v);
        CHECK(x.padding_is_zero());
        std::vector<std::int32_t> got(words.size()), expected = before;
        std::copy(words.begin(), words.begin() + std::ptrdiff_t(count), expected.begin());
        device.download(got.data(), there.data(), got.size());
        CHECK(got == expected);
      }
}

// The device is behind all the while: batches are copied ahead of it, from memory that is written over at once.
TEST_CASE("batches that are loaded one after another each arrive") {
  const shape s{3, 20, 20};
  const std::size_t count = 4 * std::size_t(s.elements());
  for (const bool locked : {false, true}) {
    CAPTURE(locked);
    fc::cuda device;
    auto busy = device.allocate<float>(1);
    auto pinned = device.allocate_host<float>(count);
    std::vector<float> pageable(count);
    float* const from = locked ? pinned.data() : pageable.data();
    std::vector<value> values;
    for (int i = 0; i < 6; ++i) values.emplace_back(device, 4, s);
    device.for_each(1, take_long{busy.data()});
    for (std::uint32_t i = 0; i < 6; ++i) {
      const std::vector<float> v = numbers(count, 10 + i);
      std::copy(v.begin(), v.end(), from);
      device.load(values[i].view, from);
      std::fill_n(from, count, nan_value);
    }
    for (std::uint32_t i = 0; i < 6; ++i) CHECK(values[i].canonical() == numbers(count, 10 + i));
  }
}

TEST_CASE("functors run over whole values and slices") {
  fc::cuda device;
  for (int channels : {8, 10}) {
    const shape s{channels, 3, 5};
    const std::size_t count = 4 * std::size_t(s.elements());
    value whole(device, 4, s), slice(device, 4, s, 32, 20), out(device, 4, s), out_slice(device, 4, s, 32, 20);
    whole.set(4), slice.set(5);
    const auto a = numbers(count, 4), b = numbers(count, 5);
    for (value* y : {&out, &out_slice}) {
      device.transform(y->view, add_three{}, tensor_view<const float>(whole.view), tensor_view<const float>(slice.view),
                       tensor_view<const float>(whole.view));
      const auto got = y->canonical();
      bool same = true;
      for (std::size_t i = 0; i < count; ++i) same = same && std::fabs(got[i] - (2 * b[i] + 1)) < 1e-5f;
      CHECK(same);
      CHECK(y->padding_is_zero());
      device.transform_indexed(y->view, name_of_element{}, tensor_view<const float>(slice.view));
      const auto named = y->canonical();
      for (std::size_t i = 0; i < count; ++i) {
        const auto n = i / std::size_t(s.elements()), e = i % std::size_t(s.elements());
        same = same && std::fabs(named[i] - (float(1000 * n + e) + b[i])) < 1e-3f;
      }
      CHECK(same);
      CHECK(y->padding_is_zero());
      device.copy(y->view, tensor_view<const float>(slice.view));
      CHECK(y->canonical() == b);
    }
    CHECK(out_slice.untouched() == 4 * 15 * (32 - padded_channels<float>(channels)));
    auto sum = device.allocate<double>(1);
    device.reduce(sum.data(), product{}, tensor_view<const float>(whole.view), tensor_view<const float>(slice.view));
    double got = 0, wanted = 0;
    device.download(&got, sum.data(), 1);
    for (std::size_t i = 0; i < count; ++i) wanted += double(a[i] * b[i]);
    CHECK(got == doctest::Approx(wanted));
  }
  auto indices = device.allocate<std::int64_t>(100'000);
  device.for_each(indices.size(), fill_with_index{indices.data()});
  std::vector<std::int64_t> got(indices.size());
  device.download(got.data(), indices.data(), got.size());
  bool same = true;
  for (std::size_t i = 0; i < got.size(); ++i) same = same && got[i] == std::int64_t(i);
  CHECK(same);
}

TEST_CASE("channels are copied and added at any place") {
  fc::cuda device;
  value from(device, 2, {9, 2, 3}), to(device, 2, {14, 2, 3});
  from.set(6), to.set(7);
  auto expected = numbers(2 * 84, 7);
  const auto source = numbers(2 * 54, 6);
  const auto apply = [&](int at, int first, int count, bool add) {
    device.copy_channels(to.view, at, tensor_view<const float>(from.view), first, count, add);
    for (int n = 0; n < 2; ++n)
      for (int c = 0; c < count; ++c)
        for (int p = 0; p < 6; ++p) {
          float& e = expected[std::size_t((n * 14 + at + c) * 6 + p)];
          const float v = source[std::size_t((n * 9 + first + c) * 6 + p)];
          e = add ? e + v : v;
        }
    CHECK(to.canonical() == expected);
    CHECK(to.padding_is_zero());
  };
  apply(5, 2, 7, true), apply(5, 0, 9, false), apply(1, 3, 2, false), apply(8, 3, 6, true);
}

TEST_CASE("matrix products") {
  fc::cuda device;
  const int m = 5, n = 7, k = 3;
  for (int ta = 0; ta < 2; ++ta)
    for (int tb = 0; tb < 2; ++tb)
      for (int inner : {k, 0})
        for (float beta : {0.0f, 1.0f}) {
          const int lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 1, ldc = n + 3;
          const auto a = numbers(std::size_t(ta ? k : m) * std::size_t(lda), 8),
                     b = numbers(std::size_t(tb ? n : k) * std::size_t(ldb), 9);
          auto c = numbers(std::size_t(m) * std::size_t(ldc), 10);
          if (beta == 0)
            for (int i = 0; i < m; ++i)
              for (int j = 0; j < n; ++j) c[std::size_t(i * ldc + j)] = nan_value;
          auto da = device.allocate<float>(a.size()), db = device.allocate<float>(b.size()),
               dc = device.allocate<float>(c.size());
          device.upload(da.data(), a.data(), a.size()), device.upload(db.data(), b.data(), b.size());
          device.upload(dc.data(), c.data(), c.size());
          device.gemm(ta, tb, m, n, inner, da.data(), lda, db.data(), ldb, beta, dc.data(), ldc);
          std::vector<float> got(c.size());
          device.download(got.data(), dc.data(), got.size());
          bool same = true;
          for (int i = 0; i < m; ++i)
            for (int j = 0; j < ldc; ++j) {
              double wanted = c[std::size_t(i * ldc + j)];
              if (j < n) {
                wanted = beta == 0 ? 0 : wanted;
                for (int l = 0; l < inner; ++l)
                  wanted += double(a[std::size_t(ta ? l * lda + i : i * lda + l)]) *
                            b[std::size_t(tb ? j * ldb + l : l * ldb + j)];
              }
              same = same && std::fabs(got[std::size_t(i * ldc + j)] - wanted) < 1e-5;
            }
          CHECK(same);
        }
}

TEST_CASE("sums over many rows, of one channel and of many, and over all") {
  fc::cuda device;
  for (const auto& [channels, samples] : {std::pair{1, 9}, {50, 9}, {130, 9}, {40, 90}}) {
    const shape s{channels, 24, 24};
    value y(device, samples, s), dy(device, samples, s);
    y.set(11), dy.set(12);
    auto bias = device.allocate<float>(std::size_t(channels));
    std::vector<float> start(std::size_t(channels), 0.5f), got(start.size());
    device.upload(bias.data(), start.data(), start.size());
    device.bias_backward<relu>(tensor_view<const float>(y.view), dy.view, bias.data(), true);
    device.download(got.data(), bias.data(), got.size());
    auto sum = device.allocate<double>(1);
    double got_sum = 0, wanted_sum = 0;
    device.reduce(sum.data(), product{}, tensor_view<const float>(y.view), tensor_view<const float>(dy.view));
    device.download(&got_sum, sum.data(), 1);
    const std::size_t count = std::size_t(samples) * std::size_t(s.elements());
    const auto top = numbers(count, 11), slope = numbers(count, 12), masked = dy.canonical();
    double worst = 0;
    for (int c = 0; c < channels; ++c) {
      double wanted = 0.5;
      for (int n = 0; n < samples; ++n)
        for (int p = 0; p < s.pixels(); ++p) {
          const std::size_t i = std::size_t((n * channels + c) * s.pixels() + p);
          const float d = top[i] > 0 ? slope[i] : 0;
          wanted += d, wanted_sum += double(top[i] * d);
          worst = std::fmax(worst, double(std::fabs(masked[i] - d)));
        }
      worst = std::fmax(worst, std::fabs(wanted - double(got[std::size_t(c)])) / 100);
    }
    CHECK(worst < 1e-5);
    CHECK(got_sum == doctest::Approx(wanted_sum));
    CHECK(dy.padding_is_zero());
  }
}

struct add_one {
  float* to;
  FIRECAFFE_HD void operator()(std::size_t i) const { to[i] += 1; }
};
struct copy_and_clear {
  float *to, *from;
  FIRECAFFE_HD void operator()(std::size_t i) const { to[i] = from[i], from[i] = 0; }
};

// Each of the parts takes long, so that one that does not wait finds what is not finished.
TEST_CASE(
    "work that goes on beside other work begins after what was asked for before, and ends before what comes later") {
  fc::cuda device;
  constexpr std::size_t count = 1 << 20;
  constexpr int often = 20;
  auto before = device.allocate<float>(count), here = device.allocate<float>(count),
       there = device.allocate<float>(count), left = device.allocate<float>(count),
       right = device.allocate<float>(count);
  const auto add_often = [&](const device_memory<float>& to) {
    for (int i = 0; i < often; ++i) device.for_each(count, add_one{to.data()});
  };
  const cudaStream_t main = device.stream();
  cuda_recorder recorder(device);
  for (int round = 0; round < 3; ++round) {  // as they come, recorded, replayed
    CAPTURE(round);
    const auto work = [&](auto) {
      add_often(before);
      device.both(
          [&] {
            CHECK(device.stream() != main);
            device.for_each(count, copy_and_clear{there.data(), before.data()});
            add_often(there);
          },
          [&] {
            CHECK(device.stream() == main);
            add_often(here);
          });
      device.for_each(count, copy_and_clear{left.data(), here.data()});
      device.for_each(count, copy_and_clear{right.data(), there.data()});
    };
    recorder.run(device, {}, work, [](int) {});
    std::vector<float> a(count), b(count);
    device.download(a.data(), left.data(), count), device.download(b.data(), right.data(), count);
    CHECK(std::count(a.begin(), a.end(), float(often)) == count);
    CHECK(std::count(b.begin(), b.end(), float(2 * often)) == count);
  }
}

TEST_CASE("a recorder that keeps nothing asks each time") {
  fc::cuda device;
  auto sums = device.allocate<float>(1);
  const float zero = 0;
  for (const bool keeps : {true, false}) {
    CAPTURE(keeps);
    device.upload(sums.data(), &zero, 1);
    cuda_recorder recorder(device, keeps);
    int asked = 0, cuts = 0;
    const auto work = [&](auto cut) {
      ++asked;
      device.for_each(1, add_one{sums.data()});
      cut(7);
      device.for_each(1, add_one{sums.data()});
    };
    for (int i = 0; i < 5; ++i) recorder.run(device, {}, work, [&](int n) { cuts += n == 7; });
    float sum = 0;
    device.download(&sum, sums.data(), 1);
    CHECK(sum == 10);
    CHECK(cuts == 5);
    CHECK(asked == (keeps ? 2 : 5));
  }
}

TEST_CASE("scratch of both is apart, and a failure leaves the device as it was") {
  fc::cuda device;
  const void *here = nullptr, *there = nullptr;
  device.both([&] { there = device.scratch(1000); }, [&] { here = device.scratch(1000); });
  CHECK(here != there);
  CHECK(device.scratch(1000) == here);
  const cudaStream_t main = device.stream();
  CHECK_THROWS_AS(device.beside([] { throw usage_error("this one"); }), usage_error);
  CHECK(device.stream() == main);
}

TEST_CASE("what was asked for beside what failed is waited for all the same") {
  fc::cuda device;
  constexpr std::size_t count = 1 << 20;
  constexpr int often = 20;
  auto there = device.allocate<float>(count), after = device.allocate<float>(count);
  const auto add_often = [&] {
    for (int i = 0; i < often; ++i) device.for_each(count, add_one{there.data()});
  };
  const auto fail = [] { throw usage_error("this one"); };
  for (int round = 1; round <= 2; ++round) {
    CAPTURE(round);
    if (round == 1)
      CHECK_THROWS_AS(device.both(add_often, fail), usage_error);
    else
      CHECK_THROWS_AS(device.both([&] { add_often(), fail(); }, [] {}), usage_error);
    device.for_each(count, copy_and_clear{after.data(), there.data()});
    std::vector<float> found(count);
    device.download(found.data(), after.data(), count);
    CHECK(std::count(found.begin(), found.end(), float(often)) == count);
  }
}

TEST_CASE("a copy of a device, one on the user's stream, and a moved one work") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  {
    fc::cuda first(0, stream), second(first), third = std::move(second);
    CHECK(third.stream() == stream);
    auto memory = third.allocate<float>(3);
    const float in[3] = {1, 2, 3};
    float out[3] = {};
    third.upload(memory.data(), in, 3), third.download(out, memory.data(), 3);
    CHECK(out[2] == 3);
  }
  REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);  // ours to destroy
}
