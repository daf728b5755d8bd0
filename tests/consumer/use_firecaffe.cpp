// Needs nothing but firecaffe::firecaffe.
#if __has_include(<firecaffe/firecaffe.hpp>)
#include <firecaffe/firecaffe.hpp>
#else
#include <firecaffe/core/random.hpp>
#endif
#include <boost/pfr.hpp>

int main() {
  const firecaffe::random_key key{.seed = 1};
  return boost::pfr::get<0>(key) == 1 ? 0 : 1;
}
