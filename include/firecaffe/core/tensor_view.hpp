#pragma once

#include <type_traits>

#include "layout.hpp"

namespace firecaffe {

// A batch of samples in some device's memory: (N, C, D, H, W) under a layout. It owns nothing; null data means "not
// wanted".
template <class T>
struct tensor_view {
  T* data = nullptr;
  int samples = 0;
  shape extents;
  layout strides;

  constexpr explicit operator bool() const { return data != nullptr; }
  FIRECAFFE_HD constexpr T& operator()(int n, int c, int p) const { return data[strides.offset(n, c, p)]; }
  template <class U>
  requires(!std::is_const_v<T> && std::is_same_v<U, const T>) constexpr operator tensor_view<U>() const {
    return {data, samples, extents, strides};
  }
};

}  // namespace firecaffe
