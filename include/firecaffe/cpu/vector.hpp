#pragma once

#include <cstring>

namespace firecaffe {

// `Lanes` floats as the compiler's own vector type: + - * > ?: work lane by lane at whatever width the machine has.
template <int Lanes>
struct vector_of {
  typedef float type __attribute__((vector_size(Lanes * sizeof(float))));
};

template <int Lanes>
using vector = typename vector_of<Lanes>::type;

template <int Lanes>
inline vector<Lanes> load_vector(const float* p) {
  vector<Lanes> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class Vector>
inline void store_vector(float* p, Vector v) {
  std::memcpy(p, &v, sizeof v);
}

}  // namespace firecaffe
