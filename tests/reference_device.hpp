#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <vector>

#include "firecaffe/core/implementation.hpp"
#include "firecaffe/core/timeline.hpp"

namespace firecaffe {

// `copying`: every concat is a copy. `remote`: the host does not share its memory, and copies between the two take
// time. `recording`: what is asked for again is done as it was asked for the first time. `apart`: both of these.
enum class reference_kind { plain, copying, remote, recording, apart };

template <class Device>
class reference_recorder {
 public:
  using key = std::array<std::int64_t, 5>;
  static constexpr std::size_t slots = 2;
  inline static thread_local int replays = 0;
  reference_recorder(Device&, bool keeps) : keeps_(keeps) {}

  template <class Body, class Between>
  void run(Device&, const key& k, Body body, Between between) {
    if (!keeps_) return body(between);
    const auto [kept, is_new] = kept_.try_emplace(k, body);
    replays += !is_new;
    kept->second(between);
  }
  double* numbers() { return numbers_; }
  void mark(std::size_t slot, Device&) { asked_[slot] = 0; }
  bool arrived(std::size_t slot) { return ++asked_[slot] >= 3; }
  double number(std::size_t slot) const { return numbers_[slot]; }

 private:
  bool keeps_;
  std::map<key, std::function<void(std::function<void(int)>)>> kept_;
  double numbers_[slots] = {};
  int asked_[slots] = {};
};

// A device that takes a second from mark to mark.
template <class Device>
class reference_marks {
 public:
  explicit reference_marks(Device&) {}
  void leave(Device&) { ++left_; }
  std::vector<time_span::time_point> times(Device&) {
    std::vector<time_span::time_point> out;
    for (int i = 0; i < left_; ++i) out.emplace_back(std::chrono::seconds(i));
    left_ = 0;
    return out;
  }

 private:
  int left_ = 0;
};

template <reference_kind Kind>
class basic_reference;
template <reference_kind Kind>
struct reference_extras {};
template <reference_kind Kind>
requires(Kind == reference_kind::recording || Kind == reference_kind::apart) struct reference_extras<Kind> {
  using marks = reference_marks<basic_reference<Kind>>;
  using recorder = reference_recorder<basic_reference<Kind>>;
};

// The oracle: the whole device contract in double precision, as formulas and plain loops over (N, C, H, W). It fuses
// nothing. `allocated` counts the bytes that it hands out.
template <reference_kind Kind>
class basic_reference : public reference_extras<Kind> {
 public:
  using scalar = double;
  using value = double;
  using view = tensor_view<double>;
  using const_view = tensor_view<const double>;
  template <class T>
  using memory = std::vector<T>;
  static constexpr const char* name = "reference";
  static constexpr std::size_t alignment = requires { typename reference_extras<Kind>::recorder; }
  ? 8 : 1;
  static constexpr bool slices_are_whole = true;
  static constexpr bool fuses_sums = false;
  static constexpr layout value_layout(shape s) { return blocked_layout(s, 1); }
  static constexpr bool can_slice(shape, int, shape) { return Kind != reference_kind::copying; }
  template <class Layer, class Next>
  static constexpr bool fuses = false;
  static constexpr bool host_memory_is_device_memory = Kind != reference_kind::remote && Kind != reference_kind::apart;
  static basic_reference for_rank(int, int, int) { return {}; }
  std::size_t allocated = 0;

  template <class T>
  memory<T> allocate(std::size_t count) {
    allocated += count * sizeof(T);
    return memory<T>(count);
  }
  template <class T>
  void upload(T* to, const T* from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
  }
  template <class T>
  void download(T* to, const T* from, std::size_t count) {
    upload(to, from, count);
  }
  template <class F, class G>
  void both(F f, G g) {
    f(), g();
  }
  void synchronize() {}

  // What is downloaded is there when it has been asked for three times; before that it is no number.
  template <class T>
  using host_memory = std::vector<T>;
  template <class T>
  host_memory<T> allocate_host(std::size_t count) {
    return host_memory<T>(count);
  }
  class transfers {
   public:
    transfers(basic_reference&, std::size_t tickets) : copies_(tickets) {}
    void mark(std::size_t ticket) { copies_[ticket].asked = 0; }
    bool passed(std::size_t ticket) { return ++copies_[ticket].asked >= 3; }
    void download(std::size_t ticket, double* to, const double* from, std::size_t count) {
      copies_[ticket] = {to, from, count, 0};
      for (std::size_t i = 0; i < count; ++i) to[i] = std::numeric_limits<double>::quiet_NaN();
    }
    bool arrived(std::size_t ticket) {
      copy& c = copies_[ticket];
      if (++c.asked < 3) return false;
      for (std::size_t i = 0; i < c.count; ++i) c.to[i] = c.from[i];
      return true;
    }
    void upload(double* to, const double* from, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
    }

   private:
    struct copy {
      double* to;
      const double* from;
      std::size_t count;
      int asked;
    };
    std::vector<copy> copies_;
  };

  // f(n, c, p) for every element.
  template <class F>
  static void each(const_view v, F f) {
    for (int n = 0; n < v.samples; ++n)
      for (int c = 0; c < v.extents.channels; ++c)
        for (int p = 0; p < v.extents.pixels(); ++p) f(n, c, p);
  }
  template <class U>
  void load(view to, const U* canonical) {
    each(to, [&](int n, int c, int p) { to(n, c, p) = double(*canonical++); });
  }
  template <class U>
  void store(U* canonical, const_view from) {
    each(from, [&](int n, int c, int p) { *canonical++ = U(from(n, c, p)); });
  }
  template <class F>
  void for_each(std::size_t count, F f) {
    for (std::size_t i = 0; i < count; ++i) f(i);
  }
  template <class F, class... In>
  void transform(view out, F f, In... in) {
    each(out, [&](int n, int c, int p) { out(n, c, p) = f(in(n, c, p)...); });
  }
  template <class F, class... In>
  void transform_indexed(view out, F f, In... in) {
    each(out, [&](int n, int c, int p) { out(n, c, p) = f(n, c * out.extents.pixels() + p, in(n, c, p)...); });
  }
  void copy(view out, const_view in) {
    each(out, [&](int n, int c, int p) { out(n, c, p) = in(n, c, p); });
  }
  void copy_channels(view out, int to, const_view in, int from, int count, bool add) {
    for (int n = 0; n < out.samples; ++n)
      for (int c = 0; c < count; ++c)
        for (int p = 0; p < out.extents.pixels(); ++p)
          out(n, to + c, p) = in(n, from + c, p) + (add ? out(n, to + c, p) : 0.0);
  }
  template <class F>
  void reduce(double* sum, F f, const_view a, const_view b) {
    *sum = 0;
    each(a, [&](int n, int c, int p) { *sum += f(a(n, c, p), b(n, c, p)); });
  }
  void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const double* a, std::ptrdiff_t lda,
            const double* b, std::ptrdiff_t ldb, double beta, double* c, std::ptrdiff_t ldc) {
    for (int i = 0; i < m; ++i) {
      double* row = c + i * ldc;
      for (int j = 0; j < n; ++j) row[j] = beta == 0 ? 0 : beta * row[j];
      auto left = [&](int l) { return transpose_a ? a[l * lda + i] : a[i * lda + l]; };
      if (transpose_b)
        for (int j = 0; j < n; ++j)
          for (int l = 0; l < k; ++l) row[j] += left(l) * b[j * ldb + l];
      else
        for (int l = 0; l < k; ++l)
          for (int j = 0; j < n; ++j) row[j] += left(l) * b[l * ldb + j];
    }
  }
  template <class Activation>
  void bias_forward(view y, const double* bias) {
    each(y, [&](int n, int c, int) { y(n, c, 0) = Activation::value(y(n, c, 0) + (bias ? bias[c] : 0.0)); });
  }
  template <class Activation>
  void bias_backward(const_view y, view dy, double* bias, bool add) {
    for (int c = 0; bias && !add && c < y.extents.channels; ++c) bias[c] = 0;
    each(y, [&](int n, int c, int) {
      dy(n, c, 0) *= Activation::slope(y(n, c, 0));
      if (bias) bias[c] += dy(n, c, 0);
    });
  }
};

using reference = basic_reference<reference_kind::plain>;
using copying_reference = basic_reference<reference_kind::copying>;
using remote_reference = basic_reference<reference_kind::remote>;
using recording_reference = basic_reference<reference_kind::recording>;
using reference_apart = basic_reference<reference_kind::apart>;

}  // namespace firecaffe
