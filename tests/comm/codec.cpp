#include "firecaffe/comm/codec.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace firecaffe;

static_assert(codec<raw> && codec<bf16> && codec<fp16> && codec<int8>);
static_assert(codec<error_feedback<bf16>> && error_feedback<bf16>::feeds_back && error_feedback<bf16>::lossy);
static_assert(error_feedback<int8>::name == "error_feedback<int8>");
static_assert(!raw::lossy && bf16::lossy && !bf16::feeds_back);
static_assert(raw::bytes(3) == 12 && raw::bytes(3, 8) == 24 && bf16::bytes(3, 8) == 6 && fp16::bytes(65) == 130);
static_assert(int8::bytes(0) == 0 && int8::bytes(1) == 2 && int8::bytes(64) == 65 && int8::bytes(65) == 67);

namespace {

const unsigned seed = std::random_device{}() % 1000000;
const float infinity = std::numeric_limits<float>::infinity(), quiet = std::numeric_limits<float>::quiet_NaN();
const float largest = std::numeric_limits<float>::max();

// A binary format, by arithmetic in double: significant bits, and the exponents of its step below the least normal
// number and of its greatest number.
struct arithmetic {
  int significant, least_step;
  double greatest;

  double value(std::uint16_t code) const {
    const int stored = significant - 1, fraction = code & ((1 << stored) - 1), exponent = (code & 0x7fff) >> stored;
    const double sign = code & 0x8000 ? -1 : 1;
    if (exponent == 0x7fff >> stored) return fraction ? std::nan("") : sign * INFINITY;
    if (exponent == 0) return sign * std::ldexp(fraction, least_step);
    return sign * std::ldexp(fraction + (1 << stored), exponent - 1 + least_step);
  }

  double round(double x) const {
    if (!std::isfinite(x) || x == 0) return x;
    int exponent;
    std::frexp(x, &exponent);
    const double step = std::ldexp(1.0, std::max(exponent - significant, least_step));
    return std::copysign(std::min(std::abs(std::nearbyint(x / step)) * step, greatest), x);
  }
};
const arithmetic bf16_arithmetic{8, -133, std::ldexp(255.0, 120)}, fp16_arithmetic{11, -24, 65504};

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

template <class T>
bool same(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || same_bits(a, b);
}

template <class C, class T>
struct message {
  std::vector<T> decoded;  // what encode left in the values
  std::vector<std::byte> bytes;

  explicit message(std::vector<T> values, T* residual = nullptr)
      : decoded(std::move(values)), bytes(C::bytes(decoded.size(), sizeof(T)) + 8, std::byte{0xee}) {
    C::encode(decoded.data(), decoded.size(), bytes.data(), residual);
    for (std::size_t i = bytes.size() - 8; i < bytes.size(); ++i) REQUIRE(bytes[i] == std::byte{0xee});
    bytes.resize(bytes.size() - 8);
  }
};

// Numbers of any size, those of one block of about the same, some of them zero.
template <class T>
std::vector<T> wild(std::size_t n, std::mt19937& random) {
  std::vector<T> v(n);
  int scale = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 64 == 0) scale = static_cast<int>(random() % 280) - 150;
    const double x = std::uniform_real_distribution<double>{-1, 1}(random);
    v[i] = random() % 16 == 0 ? T{0} : static_cast<T>(std::ldexp(x, scale - static_cast<int>(random() % 12)));
  }
  return v;
}

template <class C, class T>
void check_ends_agree(const std::vector<T>& values) {
  const std::size_t n = values.size();
  CAPTURE(n);
  CAPTURE(seed);
  const message<C, T> sent{values};
  REQUIRE(sent.bytes.size() == C::bytes(n, sizeof(T)));

  // The receiver holds the same bits, and touches nothing else.
  std::vector<T> received(n + 1, T{77});
  C::decode(sent.bytes.data(), received.data(), n);
  CHECK(received[n] == T{77});
  bool equal = true;
  for (std::size_t i = 0; i < n; ++i) equal &= same_bits(received[i], sent.decoded[i]);
  CHECK(equal);

  std::vector<T> sum(n + 1, T{0.5});
  C::decode_add(sent.bytes.data(), sum.data(), n);
  CHECK(sum[n] == T{0.5});
  equal = true;
  for (std::size_t i = 0; i < n; ++i) equal &= same(sum[i], T{0.5} + sent.decoded[i]);
  CHECK(equal);

  // Passing it on changes nothing: the same message again, also at an odd address, and nothing lost.
  std::vector<T> lost(n, T{0});
  const message<C, T> again{sent.decoded, lost.data()};
  CHECK(again.bytes == sent.bytes);
  std::vector<std::byte> shifted(sent.bytes.size() + 1);
  std::vector<T> passed = sent.decoded;
  C::encode(passed.data(), n, shifted.data() + 1, static_cast<T*>(nullptr));
  equal = true;
  for (std::size_t i = 0; i < n; ++i)
    equal &= same_bits(again.decoded[i], sent.decoded[i]) && same_bits(passed[i], sent.decoded[i]) && lost[i] == 0;
  CHECK(equal);
  CHECK(std::equal(sent.bytes.begin(), sent.bytes.end(), shifted.begin() + 1));

  // What a message lost is added to what was lost before.
  std::vector<T> residual(n, T{1});
  const message<C, T> with_residual{values, residual.data()};
  CHECK(with_residual.bytes == sent.bytes);
  equal = true;
  for (std::size_t i = 0; i < n; ++i) {
    const T difference = values[i] - sent.decoded[i];
    equal &= residual[i] == T{1} + (std::isfinite(difference) ? difference : T{0});
  }
  CHECK(equal);
}

template <class C>
void check_many_lengths() {
  std::mt19937 random{seed};
  for (const std::size_t n : {0, 1, 2, 63, 64, 65, 127, 128, 129, 1000, 4096}) {
    check_ends_agree<C>(wild<float>(n, random));
    check_ends_agree<C>(wild<double>(n, random));
  }
  for (int i = 0; i < 30; ++i) {
    std::vector<float> any(random() % 400);  // any bits, NaN and infinity among them
    for (float& x : any) x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    for (float& x : any)
      if (std::isnan(x)) x = random() % 2 ? quiet : -quiet;
    check_ends_agree<C>(any);
  }
}

template <class C>
void check_format(const arithmetic& format) {
  // Every code there is, decoded; from a message, and added.
  std::vector<std::uint16_t> codes(0x10000);
  for (std::size_t c = 0; c < codes.size(); ++c) codes[c] = static_cast<std::uint16_t>(c);
  const std::byte* in = reinterpret_cast<const std::byte*>(codes.data());
  std::vector<float> values(codes.size(), 77.0f);
  C::decode(in, values.data(), values.size());
  std::size_t wrong = 0;
  for (std::size_t c = 0; c < codes.size(); ++c) wrong += !same(values[c], static_cast<float>(format.value(codes[c])));
  CHECK(wrong == 0);

  // Coded again: the same code, but for NaN, which stays one.
  const message<C, float> again{values};
  for (std::size_t c = 0; c < codes.size(); ++c) {
    std::uint16_t code;
    std::memcpy(&code, again.bytes.data() + 2 * c, 2);
    wrong += std::isnan(values[c]) ? !std::isnan(format.value(code)) || (code ^ c) >> 15 : code != c;
  }
  CHECK(wrong == 0);

  // Numbers at, between and next to the middle of neighbouring codes, beyond the greatest, and any others.
  std::vector<float> x{largest, -largest, infinity, -infinity, 0.0f, -0.0f, 1e-45f, -1e-45f};
  for (std::uint16_t c = 0; c < 0x7fff; ++c) {
    const double a = format.value(c), b = format.value(static_cast<std::uint16_t>(c + 1));
    if (!std::isfinite(b)) break;
    const float middle = static_cast<float>(a / 2 + b / 2);
    for (const float y : {middle, std::nextafter(middle, infinity), std::nextafter(middle, -infinity)})
      for (const float z : {y, -y}) x.push_back(z);
  }
  std::mt19937 random{seed};
  CAPTURE(seed);
  for (int i = 0; i < 300000; ++i) {
    const float y = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(y)) x.push_back(y);
  }
  for (int i = 0; i < 300000; ++i) x.push_back(std::normal_distribution<float>{0, 1}(random));
  const message<C, float> rounded{x};
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = format.round(x[i]);
    wrong += !same_bits(rounded.decoded[i], static_cast<float>(expected));
    if (std::isfinite(x[i]) && std::abs(x[i]) <= format.greatest &&
        std::abs(x[i]) >= std::ldexp(1.0, format.least_step + format.significant - 1))
      worst = std::max(worst, std::abs(rounded.decoded[i] - static_cast<double>(x[i])) / std::abs(x[i]));
  }
  CHECK(wrong == 0);
  CHECK(worst <= std::ldexp(1.0, -format.significant));
  CHECK(worst > std::ldexp(0.95, -format.significant));

  // A double is rounded once, not to a float first: just above the middle of two codes goes up.
  std::vector<double> d;
  for (const double one : {1.0, -1.0, 1.5, 0x1p-14, 0x1p-20}) {
    const double step = std::abs(format.round(one)) * std::ldexp(1.0, 1 - format.significant);
    for (const double part : {0.5, 0.5 + 0x1p-40, 0.5 - 0x1p-40, 1e-12, 0.25}) d.push_back(one * (1 + part * step));
  }
  for (int i = 0; i < 100000; ++i) {
    const double y = std::bit_cast<double>(std::uint64_t{random()} << 32 | random());
    if (!std::isnan(y)) d.push_back(y);
    d.push_back(
        std::ldexp(std::uniform_real_distribution<double>{-1, 1}(random), static_cast<int>(random() % 160) - 145));
  }
  const message<C, double> from_double{d};
  for (std::size_t i = 0; i < d.size(); ++i) wrong += !same_bits(from_double.decoded[i], format.round(d[i]));
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("raw changes nothing") {
  check_many_lengths<raw>();
  std::vector<float> v{1.5f, -0.0f, infinity}, residual(3);
  const message<raw, float> m{v, residual.data()};
  CHECK(m.decoded == v);
  CHECK(std::memcmp(m.bytes.data(), v.data(), 12) == 0);
}

TEST_CASE("16 bits agree with the formats' arithmetic") {
  check_format<bf16>(bf16_arithmetic);
  check_format<fp16>(fp16_arithmetic);
}

TEST_CASE("sender and receivers hold the same bits, and pass them on unchanged") {
  check_many_lengths<bf16>();
  check_many_lengths<fp16>();
  check_many_lengths<int8>();
  check_many_lengths<error_feedback<int8>>();
}

TEST_CASE("what is not finite stays so, what is finite stays finite") {
  const std::vector<float> v{quiet, -quiet, infinity, -infinity, largest, -largest, 65519.0f, 65520.0f, 1.0f};
  const message<bf16, float> b{v};
  const message<fp16, float> h{v};
  for (std::uint32_t payload = 1; payload < 0x800000; payload *= 2) {  // a NaN may have any one bit of these
    const std::vector<float> odd{std::bit_cast<float>(0x7f800000u | payload),
                                 std::bit_cast<float>(0xff800000u | payload)};
    for (const auto& decoded : {message<bf16, float>{odd}.decoded, message<fp16, float>{odd}.decoded})
      CHECK((std::isnan(decoded[0]) && std::isnan(decoded[1])));
  }
  for (std::size_t i = 0; i < v.size(); ++i) {
    CHECK(std::isnan(v[i]) == std::isnan(b.decoded[i]));
    CHECK(std::isnan(v[i]) == std::isnan(h.decoded[i]));
    CHECK(std::isinf(v[i]) == std::isinf(b.decoded[i]));
    CHECK(std::isinf(v[i]) == std::isinf(h.decoded[i]));
    CHECK(std::signbit(v[i]) == std::signbit(h.decoded[i]));
  }
  CHECK(h.decoded[6] == 65504.0f);
  CHECK(h.decoded[7] == 65504.0f);
  CHECK(b.decoded[4] == std::ldexp(255.0f, 120));

  for (const float bad : {quiet, infinity, -infinity}) {
    std::vector<float> x(200, 1.0f), residual(200, 2.0f);
    x[70] = bad;
    const message<int8, float> m{x, residual.data()};
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::isnan(m.decoded[i]) == (i / 64 == 1));
    CHECK(residual == std::vector<float>(200, 2.0f));
  }
}

TEST_CASE("int8: the finest scale that holds the block") {
  std::mt19937 random{seed};
  CAPTURE(seed);
  for (int trial = 0; trial < 3000; ++trial) {
    const int scale = static_cast<int>(random() % 230) - 110;
    std::vector<float> x(64);
    for (float& y : x) y = std::ldexp(std::uniform_real_distribution<float>{-1, 1}(random), scale);
    double most = 0;
    for (const float y : x) most = std::max(most, std::abs(static_cast<double>(y)));
    int e = -200;
    while (std::ldexp(127.0, e) < most) ++e;
    const message<int8, float> m{x};
    REQUIRE(static_cast<int>(static_cast<signed char>(m.bytes[0])) == e);
    for (std::size_t i = 0; i < x.size(); ++i) {
      REQUIRE(m.decoded[i] == std::ldexp(std::nearbyint(std::ldexp(static_cast<double>(x[i]), -e)), e));
      REQUIRE(std::abs(static_cast<double>(m.decoded[i]) - x[i]) <= most / 127);
    }
  }
  // Where one scale ends and the next begins, ties, and both ends of the range.
  const auto decoded = [](float first, float second) { return message<int8, float>{{first, second}}.decoded[1]; };
  CHECK(decoded(127.0f, 63.4f) == 63.0f);
  CHECK(decoded(std::nextafter(127.0f, 200.0f), 63.4f) == 64.0f);
  CHECK(decoded(127.0f, 2.5f) == 2.0f);
  CHECK(decoded(-127.0f, -3.5f) == -4.0f);
  CHECK(decoded(0.0f, largest) == std::ldexp(127.0f, 121));
  CHECK(decoded(0.0f, -largest) == -std::ldexp(127.0f, 121));
  CHECK(decoded(0.0f, 0x1p-126f) == 0x1p-126f);
  CHECK(decoded(0.0f, 0x1p-149f) == 0.0f);
  CHECK(message<int8, double>{{1e300, -2e-300}}.decoded == std::vector<double>{std::ldexp(127.0, 121), 0.0});
}

TEST_CASE("int8: a part of a decoded block, or several blocks, are coded exactly again") {
  std::mt19937 random{seed};
  CAPTURE(seed);
  for (int trial = 0; trial < 300; ++trial) {
    const std::size_t n = 64 * (1 + random() % 6) + random() % 64;
    const std::vector<float> all = message<int8, float>{wild<float>(n, random)}.decoded;
    std::size_t first = random() % n, last = first + random() % (n - first + 1);
    if (first % 64 + (last - first) > 64) first -= first % 64;  // not within one block: begins with one
    std::vector<float> part(all.begin() + static_cast<std::ptrdiff_t>(first),
                            all.begin() + static_cast<std::ptrdiff_t>(last));
    const message<int8, float> m{part};
    for (std::size_t i = 0; i < part.size(); ++i) REQUIRE(same_bits(m.decoded[i], part[i]));
  }
}

TEST_CASE("with feedback the sum of what was sent follows the sum of what was meant") {
  std::mt19937 random{seed};
  CAPTURE(seed);
  const auto drift = [&]<class C>(C, bool feedback) {
    constexpr std::size_t n = 200;
    std::vector<float> residual(n);
    std::vector<double> meant(n), sent(n);
    for (int step = 0; step < 200; ++step) {
      std::vector<float> gradient(n);
      for (std::size_t i = 0; i < n; ++i) {
        gradient[i] = i % 64 == 0 ? 1.0f : 0.001f + 0.0001f * std::normal_distribution<float>{}(random);
        meant[i] += static_cast<double>(gradient[i]);
        if (feedback) gradient[i] += std::exchange(residual[i], 0.0f);
      }
      const message<C, float> m{gradient, residual.data()};
      for (std::size_t i = 0; i < n; ++i) sent[i] += static_cast<double>(m.decoded[i]);
    }
    double worst = 0;
    for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(sent[i] - meant[i]));
    return worst;
  };
  CHECK(drift(int8{}, false) > 0.1);  // 0.001 beside 1 is always rounded away
  CHECK(drift(error_feedback<int8>{}, true) < 0.02);
  CHECK(drift(error_feedback<bf16>{}, true) < 0.01);
}
