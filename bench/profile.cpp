// Where a training step of a network of the zoo spends its time, op by op, against what the machine can do.
//   build/bench/profile --net googlenet --batch 16 --threads 1
#include <getopt.h>

#include <cstdio>
#include <cstdlib>

#include "nets/nets.hpp"
#include "nets/peaks.hpp"

constexpr const char* usage =
    "usage: profile [--net NET] [--batch N] [--threads N] [--steps N]\n"
    "Prints for each op of a network and each pass the time, GFLOP/s and GB/s (of the arrays that it has to read or\n"
    "write once) and the fraction of what the machine reaches, which is measured first: a loop of multiply-adds and\n"
    "a triad. A table on standard error, one JSON object per line on standard output.\n"
    "  --net NET      a network of the zoo (lenet); --list names them\n"
    "  --batch N      samples (16)\n"
    "  --threads N    (1)\n"
    "  --steps N      to take the median of, after a warm-up (10)\n";

int main(int argc, char** argv) try {
  profile_arguments a;
  const option options[] = {{"net", 1, nullptr, 'n'},   {"batch", 1, nullptr, 'b'}, {"threads", 1, nullptr, 't'},
                            {"steps", 1, nullptr, 's'}, {"list", 0, nullptr, 'l'},  {"help", 0, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "h", options, nullptr)) != -1;) switch (c) {
      case 'n':
        a.net = optarg;
        break;
      case 'b':
        a.batch = std::stoi(optarg);
        break;
      case 't':
        a.threads = std::stoi(optarg);
        break;
      case 's':
        a.steps = std::stoi(optarg);
        break;
      case 'l':
        for (std::size_t i = 0; i < measured_net_count; ++i) std::puts(measured_nets[i]->name);
        return 0;
      default:
        std::fputs(usage, c == 'h' ? stdout : stderr);
        return c == 'h' ? 0 : 2;
    }
  if (a.batch < 1 || a.threads < 1 || a.steps < 1)
    throw firecaffe::usage_error("--batch, --threads and --steps must be at least 1");
  find_net(a.net).devices[0].profile(a, {multiply_add_rate(a.threads), triad_rate(a.threads)});
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "profile: %s\n", e.what());
  return 1;
}
