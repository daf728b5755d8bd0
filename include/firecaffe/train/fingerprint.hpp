#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "../core/hash.hpp"
#include "../core/type_name.hpp"
#include "../network/parameters.hpp"
#include "../solvers/contract.hpp"

namespace firecaffe {

// With a space before it, and every digit that tells floats apart.
inline std::string number_text(double x) {
  char text[32];
  std::snprintf(text, sizeof text, " %.9g", x);
  return text;
}

// A learning rate at first and, as a hash, at powers of two up to 2^20.
inline std::string course_of(const lr::policy& rate) {
  std::string all;
  for (std::int64_t i = 1; i <= 1 << 20; i *= 2) all += number_text(rate(i));
  return number_text(rate(0)) + " at first (then " + std::to_string(hash_of(all) % 100000) + ")";
}

// Says what ranks must agree on before they exchange a gradient: two runs with the same text send the same messages and
// make the same updates. Layouts are in it, since ranks that pad differently cannot add each other's gradients.
template <class Net, class Device, class Solver>
std::string fingerprint(const Solver& solver, int batch, int iter_size, std::uint64_t seed) {
  constexpr auto& p = parameters_of<Net, Device>;
  std::string layouts;
  for (int i = 0; i < p.count; ++i) {
    const parameter& d = p.list[i].description;
    const weight_layout& l = p.list[i].stored;
    for (const std::ptrdiff_t n :
         {std::ptrdiff_t(d.elements()), std::ptrdiff_t(l.extent), l.output_outer, l.input_outer, l.tap})
      layouts += std::to_string(n) + ' ';
    for (const float x : {d.settings.lr_mult, d.settings.decay_mult, d.follows}) layouts += number_text(x);
  }
  std::string out = std::string(type_name<Net>()) + ", " + std::to_string(parameter_count<Net>) + " parameters (" +
                    std::to_string(p.elements) + " stored by " + Device::name + ", layouts " +
                    std::to_string(hash_of(layouts) % 100000) + "), " + Solver::name;
  for_each_field<Solver>([&](auto i) { out += number_text(double(field<i>(solver))); });
  return out + ", batch " + std::to_string(batch) + " x " + std::to_string(iter_size) + ", seed " +
         std::to_string(seed);
}

}  // namespace firecaffe
