#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/comm/communicator.hpp"
#include "firecaffe/core/error.hpp"

namespace bench {

constexpr const char* usage =
    "usage: mpirun -n RANKS allreduce [options]\n"
    "  --algorithms LIST  which to measure (default: all; --list names them)\n"
    "  --transports LIST  mpi, shared (default mpi): what carries our own algorithms\n"
    "  --sizes LIST       bytes; k, M: powers of 1000, Ki, Mi: of 1024 (default 4Ki,16Ki,...,16Mi,30M,54M,64Mi)\n"
    "  --segments LIST    segments to try with each algorithm that has them (default: the library's); also --segment\n"
    "  --windows LIST     segments under way per peer to try (default: the library's); also --window\n"
    "  --repeats N        samples per size and contender (default 10)\n"
    "  --seconds S        no more samples, after three, once a contender has had this much time at a size (default "
    "20)\n"
    "  --bandwidth RATE   of a rank's link, each way, as 1gbit or 200mbit: also prints the lower bound\n"
    "  --interface NAME   that gloo uses (default lo)\n"
    "  --list             prints the names of the algorithms\n"
    "  --help             this text\n"
    "Every sum is checked once per size and contender. Samples are taken in turns. Short sums are timed several at a\n"
    "time. Prints JSON lines {benchmark, algorithm, transport, ranks, nodes, bytes, segment_bytes, window, samples,\n"
    "microseconds, p10, p90, least, bound_microseconds}: the median time of the slowest rank, 10th and 90th "
    "percentile.\n";

struct options {
  std::vector<std::string> algorithms, transports{"mpi"};
  std::vector<std::size_t> sizes{4 << 10, 16 << 10, 64 << 10,   256 << 10,  1 << 20,
                                 4 << 20, 16 << 20, 30'000'000, 54'000'000, 64 << 20};
  std::vector<std::size_t> segments{firecaffe::communicator_options{}.segment_bytes};
  std::vector<std::size_t> windows{static_cast<std::size_t>(firecaffe::communicator_options{}.window)};
  std::size_t repeats = 10;
  double seconds = 20, bandwidth = 0;  // bytes per second; 0: not told
  std::string interface = "lo";
  bool list = false;
};

// A number above 0 with one of the suffixes given, such as {"k", 1000}.
struct suffix {
  std::string_view text;
  double factor;
};

inline double parse_number(std::string_view name, const std::string& text, const std::vector<suffix>& suffixes) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  for (const suffix& s : suffixes)
    if (value > 0 && end != text.c_str() && s.text == end) return value * s.factor;
  throw firecaffe::usage_error(std::string(name) + ": '" + text + "' is not understood (--help tells)");
}

inline std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words{""};
  for (const char c : text)
    if (c == ',')
      words.emplace_back();
    else
      words.back() += c;
  return words;
}

inline options parse(int argc, char** argv) {
  const std::vector<suffix> plain{{"", 1}};
  const std::vector<suffix> bytes{{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"Ki", 1 << 10}, {"Mi", 1 << 20}};
  const std::vector<suffix> rates{{"bit", 1. / 8}, {"kbit", 1e3 / 8}, {"mbit", 1e6 / 8}, {"gbit", 1e9 / 8}};
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--list") {
      o.list = true;
      continue;
    }
    if (++i == argc) throw firecaffe::usage_error(std::string(name) + " needs a value\n" + usage);
    const std::string text = argv[i];
    const auto numbers = [&] {
      std::vector<std::size_t> all;
      for (const std::string& word : split(text))
        all.push_back(static_cast<std::size_t>(parse_number(name, word, bytes)));
      return all;
    };
    if (name == "--algorithms")
      o.algorithms = split(text);
    else if (name == "--transports")
      o.transports = split(text);
    else if (name == "--sizes")
      o.sizes = numbers();
    else if (name == "--segments" || name == "--segment")
      o.segments = numbers();
    else if (name == "--windows" || name == "--window")
      o.windows = numbers();
    else if (name == "--repeats")
      o.repeats = static_cast<std::size_t>(parse_number(name, text, plain));
    else if (name == "--seconds")
      o.seconds = parse_number(name, text, plain);
    else if (name == "--bandwidth")
      o.bandwidth = parse_number(name, text, rates);
    else if (name == "--interface")
      o.interface = text;
    else
      throw firecaffe::usage_error("unknown option " + std::string(name) + "\n" + usage);
  }
  return o;
}

}  // namespace bench
