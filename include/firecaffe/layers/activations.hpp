#pragma once

#include "../core/math.hpp"
#include "pointwise.hpp"

namespace firecaffe {

// y = max(x, 0)
struct relu : pointwise_layer {
  static constexpr const char* name = "relu";
  static constexpr bool preserves_zero = true;
  static constexpr bool keeps_order = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x > T(0) ? x : T(0);
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return y > T(0) ? T(1) : T(0);
  }
};

// y = x for x > 0, Slope * x otherwise. Slope must be positive: it is recovered from the sign of y.
template <class Slope = ratio<1, 100>>
struct leaky_relu : pointwise_layer {
  static_assert(Slope::num > 0, "leaky_relu: the negative slope must be positive; use relu for zero");
  static constexpr const char* name = "leaky_relu";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x > T(0) ? x : x * T(value_of<Slope>);
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return y > T(0) ? T(1) : T(value_of<Slope>);
  }
};

// y = x for x > 0, Alpha * (exp(x) - 1) otherwise (Clevert et al. 2016).
template <class Alpha = ratio<1>>
struct elu : pointwise_layer {
  static_assert(Alpha::num > 0, "elu: alpha must be positive");
  static constexpr const char* name = "elu";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x > T(0) ? x : T(value_of<Alpha>) * (exponential(x) - T(1));
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return y > T(0) ? T(1) : y + T(value_of<Alpha>);
  }
};

// y = 1 / (1 + exp(-x))
struct sigmoid : pointwise_layer {
  static constexpr const char* name = "sigmoid";
  static constexpr bool preserves_zero = false;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return T(1) / (T(1) + exponential(-x));
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return y * (T(1) - y);
  }
};

// y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)), computed as 1 - 2 / (1 + exp(2x))
struct tanh : pointwise_layer {
  static constexpr const char* name = "tanh";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return T(1) - T(2) / (T(1) + exponential(x + x));
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return T(1) - y * y;
  }
};

// y = ln(1 + exp(x))
struct softplus : pointwise_layer {
  static constexpr const char* name = "softplus";
  static constexpr bool preserves_zero = false;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    const T size = x > T(0) ? x : -x, rest = log_of_one_plus(exponential(-size));
    return x > T(0) ? x + rest : rest;
  }
  template <class T>
  static FIRECAFFE_HD T slope(T y) {
    return T(1) - exponential(-y);
  }
};

// y = x / (1 + exp(-x)) (Ramachandran et al. 2017, arXiv 1710.05941, with beta = 1; PyTorch's SiLU).
struct swish : pointwise_of_input_layer {
  static constexpr const char* name = "swish";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x * sigmoid::value(x);
  }
  template <class T>
  static FIRECAFFE_HD T slope_at(T x) {
    const T share = sigmoid::value(x);
    return share + x * share * (T(1) - share);
  }
};

// y = x * P(x) with P the standard normal distribution, P(x) = (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel 2016,
// arXiv 1606.08415): the exact form, as PyTorch's default, and not that with tanh.
struct gelu : pointwise_of_input_layer {
  static constexpr const char* name = "gelu";
  static constexpr bool preserves_zero = true;
  template <class T>
  static FIRECAFFE_HD T value(T x) {
    return x * standard_normal(x).below;
  }
  template <class T>
  static FIRECAFFE_HD T slope_at(T x) {
    const normal<T> n = standard_normal(x);
    return n.below + x * n.density;
  }
};

}  // namespace firecaffe
