#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "phases.hpp"
#include "sharded_steps.hpp"

namespace firecaffe {

// The parameter server that FireCaffe (arXiv 1511.00175, section 5.1) compares its tree with: all ranks send their
// gradients to one server, or slice by slice to several (the first `Servers` ranks, each with slice_of), which add them
// up and send the sums back. The servers are workers too: all ranks contribute and all end with the sum. Any number of
// ranks; fewer ranks than `Servers` are all servers.
//
// With p ranks, S servers and b bytes
//   a server sends and receives about (p - 1)/S b + (S - 1)/S b, a worker b (exactly: elements_sent),
// so the time grows with p. If no message is cut, with one message out of a rank and one in at a time, it takes 2 (p -
// 1) rounds. If messages are cut, a server sends the first segments while the others arrive.
//
// Order of summation, for the slice of server s: ((x(s) + x(s+1)) + x(s+2)) + ... + x(s-1), modulo p, whatever comes
// first. With one server it depends on the number of ranks alone, with more on the element's slice, thereby on the
// number of elements. Every rank ends with the same bits.
template <int Servers = 1>
struct parameter_server_schedule : sharded_steps<Servers> {
 private:
  static constexpr std::size_t digits = [] {
    std::size_t count = 1;
    for (int rest = Servers; rest >= 10; rest /= 10) ++count;
    return count;
  }();
  static constexpr auto text = [] {
    std::array<char, digits> number{};
    for (std::size_t i = digits, rest = Servers; i > 0; rest /= 10) number[--i] = static_cast<char>('0' + rest % 10);
    return join_names<18 + digits>({"parameter_server<", {number.data(), digits}, ">"});
  }();

 public:
  static constexpr std::string_view name{text.data(), text.size()};
};

}  // namespace firecaffe
