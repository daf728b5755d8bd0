#include "firecaffe/network/parameters.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "firecaffe/cpu/conv.hpp"
#include "firecaffe/cpu/pool.hpp"
#include "firecaffe/cpu/softmax.hpp"
#include "firecaffe/network/model.hpp"
#include "networks.hpp"
#include "reference_layers.hpp"

namespace fc = firecaffe;

struct moments {
  double mean = 0, deviation = 0, low = 0, high = 0;
};

// Of 100,000 elements of a parameter with fan-in 50.
moments filled(fc::filler f) {
  const fc::parameter p{"weight", 2000, 10, 5, f};
  std::vector<double> v(std::size_t(p.elements()));
  fc::fill_parameter(p, 9, 4, v.data());
  moments m;
  for (double x : v) m.mean += x / double(v.size());
  for (double x : v) m.deviation += (x - m.mean) * (x - m.mean) / double(v.size());
  m.deviation = std::sqrt(m.deviation);
  m.low = *std::min_element(v.begin(), v.end()), m.high = *std::max_element(v.begin(), v.end());
  return m;
}

// `error` of the mean in standard errors is below five; a deviation is good to five of its own, at most 1 / sqrt(2 n)
// each.
void check_moments(const moments& m, double mean, double deviation) {
  CHECK(std::fabs(m.mean - mean) < 5 * deviation / std::sqrt(1e5));
  CHECK(std::fabs(m.deviation / deviation - 1) < 5 / std::sqrt(2e5));
}

TEST_CASE("fillers have the mean, variance and bounds that they say") {
  const moments constant = filled(fc::constant<fc::ratio<-3, 4>>::value);
  CHECK((constant.low == -0.75 && constant.high == -0.75));
  const moments uniform = filled(fc::uniform<fc::ratio<-1>, fc::ratio<3>>::value);
  check_moments(uniform, 1, 4 / std::sqrt(12.0));
  CHECK((uniform.low > -1 && uniform.low < -0.999 && uniform.high < 3 && uniform.high > 2.999));
  check_moments(filled(fc::gaussian<fc::ratio<1, 100>, fc::ratio<2>>::value), 2, 0.01);
  const moments xavier = filled(fc::xavier::value);
  const double bound = std::sqrt(3.0 / 50);
  check_moments(xavier, 0, bound / std::sqrt(3.0));
  CHECK((xavier.low >= -bound && xavier.high <= bound && xavier.high > 0.999 * bound));
  const moments msra = filled(fc::msra::value);
  check_moments(msra, 0, std::sqrt(2.0 / 50));
  CHECK(msra.high > 3.5 * std::sqrt(2.0 / 50));  // a normal has tails
}

TEST_CASE("the same numbers on every device, others for another seed") {
  using net = networks::narrow_convolutions;
  fc::model<net, fc::reference> a(fc::reference{}, 1, 7), other(fc::reference{}, 1, 8);
  fc::model<net, fc::basic_cpu<8>> b(fc::basic_cpu<8>{1}, 1, 7);
  REQUIRE(a.the_parameters.count == b.the_parameters.count);
  bool differs = false;
  for (int i = 0; i < a.the_parameters.count; ++i) {
    const std::vector<double> v = a.parameter_values(i);
    CHECK(std::vector<float>(v.begin(), v.end()) == b.parameter_values(i));
    differs = differs || v != other.parameter_values(i);
  }
  CHECK(differs);
}

TEST_CASE("parameters lie in the order in which the backward pass finishes them, and buckets cover them once") {
  using net = networks::convolutions;
  constexpr auto& p = fc::parameters_of<net, fc::basic_cpu<8>>;
  for (int i = 1; i < p.count; ++i) {
    CHECK(p.list[i].op <= p.list[i - 1].op);
    CHECK(p.list[i].offset >= p.list[i - 1].offset + p.list[i - 1].stored.extent);
    CHECK(p.list[i].offset % fc::basic_cpu<8>::alignment == 0);
  }
  for (std::size_t bytes : {std::size_t{1}, std::size_t{4000}, std::size_t{20000}, std::size_t{100000000}}) {
    const auto buckets = fc::buckets_of<net, fc::basic_cpu<8>>(bytes);
    std::size_t at = 0;
    for (std::size_t k = 0; k < buckets.size(); ++k) {
      CHECK(buckets[k].first == at);
      at = buckets[k].last;
      if (k + 1 < buckets.size()) CHECK((at - buckets[k].first) * sizeof(float) >= bytes);
      // Ready when the op is done whose parameters come last in it.
      for (int i = 0; i < p.count; ++i)
        if (p.list[i].offset >= buckets[k].first && p.list[i].offset < at) CHECK(p.list[i].op >= buckets[k].ready_op);
    }
    CHECK(at == p.elements);
  }
  CHECK(fc::buckets_of<net, fc::basic_cpu<8>>(100000000).size() == 1);
}
