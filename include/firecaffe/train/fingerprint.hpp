#pragma once

#include <cstdint>
#include <string>

#include "../core/type_name.hpp"
#include "../network/parameters.hpp"

namespace firecaffe {

// FNV-1a
constexpr std::uint64_t hash_of(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

// Says what ranks must agree on before they exchange a gradient: two runs with the same text send the same messages and
// make the same updates. Layouts are in it, since ranks that pad differently cannot add each other's gradients.
template <class Net, class Device, class Solver>
std::string fingerprint(const Solver& solver, int batch, int iter_size, std::uint64_t seed) {
  constexpr auto& p = parameters_of<Net, Device>;
  std::string layouts;
  for (int i = 0; i < p.count; ++i)
    for (const std::ptrdiff_t n :
         {std::ptrdiff_t(p.list[i].description.elements()), std::ptrdiff_t(p.list[i].stored.extent),
          p.list[i].stored.output_outer, p.list[i].stored.input_outer, p.list[i].stored.tap})
      layouts += std::to_string(n) + ' ';
  std::string out = std::string(type_name<Net>()) + ", " + std::to_string(parameter_count<Net>) + " parameters (" +
                    std::to_string(p.elements) + " stored by " + Device::name + ", layouts " +
                    std::to_string(hash_of(layouts) % 100000) + "), " + Solver::name;
  for_each_field<Solver>([&](auto i) { out += ' ' + std::to_string(field<i>(solver)); });
  return out + ", batch " + std::to_string(batch) + " x " + std::to_string(iter_size) + ", seed " +
         std::to_string(seed);
}

}  // namespace firecaffe
