#pragma once

#include <ratio>

namespace firecaffe {

using std::ratio;  // fractions in types: dropout<ratio<1, 2>>, gaussian<ratio<1, 100>>

// How a parameter starts. fan_in is the number of inputs of one output: I * K of a weight (O, I, K), as in Caffe.
struct filler {
  enum distribution { constant, uniform, gaussian, xavier, msra, bilinear } kind = constant;
  double first = 0, second = 0;  // constant: value; uniform: low, high; gaussian: standard deviation, mean
};

template <class Ratio>
constexpr double value_of = double(Ratio::num) / double(Ratio::den);

// Every element is `Value`.
template <class Value = ratio<0>>
struct constant {
  static constexpr filler value{filler::constant, value_of<Value>, 0};
};

// Uniform in [Low, High).
template <class Low, class High>
struct uniform {
  static constexpr filler value{filler::uniform, value_of<Low>, value_of<High>};
};

// Normal with the given standard deviation and mean.
template <class Deviation, class Mean = ratio<0>>
struct gaussian {
  static constexpr filler value{filler::gaussian, value_of<Deviation>, value_of<Mean>};
};

// Uniform in +-sqrt(3 / fan_in): Caffe's form of Glorot and Bengio (2010).
struct xavier {
  static constexpr filler value{filler::xavier, 0, 0};
};

// Normal with standard deviation sqrt(2 / fan_in): He et al. (2015).
struct msra {
  static constexpr filler value{filler::msra, 0, 0};
};

// Bilinear interpolation by a square kernel K wide, for every pair of channels: with f = ceil(K / 2) and
// c = (2 f - 1 - f mod 2) / (2 f), element (y, x) is (1 - |x / f - c|) (1 - |y / f - c|). For conv_transpose with one
// channel a group, as Caffe uses it to enlarge by a factor f: kernel 2 f - f mod 2, stride f, pad ceil((f - 1) / 2).
struct bilinear {
  static constexpr filler value{filler::bilinear, 0, 0};
};

}  // namespace firecaffe
