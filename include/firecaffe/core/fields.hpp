#pragma once

#include <boost/pfr/core.hpp>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace firecaffe {

struct any_value {
  template <class T>
  constexpr operator T() const;
};

template <class Aggregate>
concept has_two_fields = requires {
  Aggregate{any_value{}, any_value{}};
};

// How many members an aggregate has. Boost.PFR counts them; nvcc's front end refuses its count of one, which is done
// here.
template <class Aggregate>
constexpr std::size_t field_count = [] {
  if constexpr (std::is_empty_v<Aggregate>)
    return std::size_t{0};
  else if constexpr (!has_two_fields<Aggregate>)
    return std::size_t{1};
  else
    return boost::pfr::tuple_size_v<Aggregate>;
}();

// Member `I`, by reference.
template <std::size_t I, class Aggregate>
constexpr auto& field(Aggregate& a) {
  if constexpr (field_count<std::remove_const_t<Aggregate>> == 1) {
    auto& [only] = a;
    return *std::addressof(only);  // nvcc takes `only` itself for a local variable
  } else {
    return boost::pfr::get<I>(a);
  }
}

// Calls f(integral_constant<0>), ... for every member.
template <class Aggregate, class F>
constexpr void for_each_field(F f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::integral_constant<std::size_t, I>{}), ...); }
  (std::make_index_sequence<field_count<Aggregate>>{});
}

}  // namespace firecaffe
