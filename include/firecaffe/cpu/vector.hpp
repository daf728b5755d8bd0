#pragma once

namespace firecaffe {

// `Lanes` floats as the compiler's own vector type: + - * > ?: work lane by lane at whatever width the machine has.
template <int Lanes>
struct vector_of {
  typedef float type __attribute__((vector_size(Lanes * sizeof(float))));
  typedef float in_memory __attribute__((vector_size(Lanes * sizeof(float)), aligned(sizeof(float)), may_alias));
};

template <int Lanes>
using vector = typename vector_of<Lanes>::type;

// `Lanes` floats where they lie, to be read or assigned. A reference, since how a vector is returned depends on the
// instruction set that the caller was compiled for. The address must be a multiple of the vector's size: clang forgets
// the alignment of a typedef that depends on a template, GCC where the type is deduced.
template <int Lanes>
inline const typename vector_of<Lanes>::in_memory& vector_at(const float* p) {
  return *reinterpret_cast<const typename vector_of<Lanes>::in_memory*>(p);
}

template <int Lanes>
inline typename vector_of<Lanes>::in_memory& vector_at(float* p) {
  return *reinterpret_cast<typename vector_of<Lanes>::in_memory*>(p);
}

// The same for addresses that are multiples of nothing: vector_anywhere<8>(p).lanes.
template <int Lanes>
struct __attribute__((packed, may_alias)) vector_in_bytes {
  vector<Lanes> lanes;
};

template <int Lanes>
inline const vector_in_bytes<Lanes>& vector_anywhere(const float* p) {
  return *reinterpret_cast<const vector_in_bytes<Lanes>*>(p);
}

// `Lanes` integers of type T where they lie.
template <class T, int Lanes>
struct integers {
  typedef T in_memory __attribute__((vector_size(Lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
  static in_memory& at(T* p) { return *reinterpret_cast<in_memory*>(p); }
};

}  // namespace firecaffe
