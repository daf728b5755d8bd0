// Training throughput of the networks of the zoo, on random images in memory.
//   build/bench/throughput --net googlenet --batch 16 --threads 1
//   mpirun -n 2 build/bench/throughput --net lenet --batch 128 --threads 1
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "nets/nets.hpp"

constexpr const char* usage =
    "usage: throughput [--net NET] [--device D] [--batch N] [--threads N] [--seconds S] [--rounds N] [--no-graphs]\n"
    "Times training steps (forward, loss, backward, sum over the ranks, update) on random images in memory; under\n"
    "mpirun on all ranks, with --batch their global batch. Prints one JSON object per line on standard output, a "
    "table\n"
    "on standard error. On a GPU it also measures how long a batch takes to get there when nothing else goes on, and,\n"
    "on that of rank 0 alone, how fast it multiplies large matrices and moves memory, and gives the least time that a\n"
    "step of rank 0 could take at these rates, had it the device for itself: the longer of all its floating-point\n"
    "operations and of all its arrays, read or written once by every op that needs them.\n"
    "  --net NET      a network of the zoo (lenet), or `all`; --list names them\n"
    "  --device D     one of those that --list names for it (all of them); CPUs are measured by "
    "build/bench/throughput,\n"
    "                 GPUs by build/bench/throughput_cuda\n"
    "  --batch N      samples of one update, on all ranks together (64)\n"
    "  --threads N    of each rank (1)\n"
    "  --seconds S    to measure for, after a warm-up (5)\n"
    "  --rounds N     the time is cut into; the median and the spread are over these (9)\n"
    "  --no-graphs    GPUs are asked for every kernel of every step, instead of for CUDA graphs\n";

std::span<const measured_net* const> nets() { return {measured_nets, measured_net_count}; }

throughput_arguments parse(int argc, char** argv) {
  throughput_arguments a;
  const option options[] = {{"net", 1, nullptr, 'n'},       {"device", 1, nullptr, 'd'},  {"batch", 1, nullptr, 'b'},
                            {"threads", 1, nullptr, 't'},   {"seconds", 1, nullptr, 's'}, {"rounds", 1, nullptr, 'r'},
                            {"no-graphs", 0, nullptr, 'g'}, {"list", 0, nullptr, 'l'},    {"help", 0, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "h", options, nullptr)) != -1;) switch (c) {
      case 'n':
        a.net = optarg;
        break;
      case 'd':
        a.device = optarg;
        break;
      case 'b':
        a.batch = std::stoi(optarg);
        break;
      case 't':
        a.threads = std::stoi(optarg);
        break;
      case 's':
        a.seconds = std::stod(optarg);
        break;
      case 'r':
        a.rounds = std::max(1, std::stoi(optarg));
        break;
      case 'g':
        a.graphs = false;
        break;
      case 'l':
        for (const measured_net* net : nets())
          for (const measured_device& d : net->devices) std::printf("%s on %s\n", net->name, d.name);
        std::exit(0);
      default:
        std::fputs(usage, c == 'h' ? stdout : stderr);
        std::exit(c == 'h' ? 0 : 2);
    }
  return a;
}

int main(int argc, char** argv) try {
  throughput_arguments a = parse(argc, argv);
  if (a.net != "all") find_net(a.net);
  const std::string wanted = a.net;
  const auto each = [&](auto measure) {
    for (const measured_net* net : nets())
      for (const measured_device& d : net->devices)
        if ((wanted == "all" || wanted == net->name) && (a.device.empty() || a.device == d.name)) measure(net->name, d);
  };
  bool any = false;
  each([&](const char*, const measured_device&) { any = true; });
  if (!any) throw firecaffe::usage_error("--device " + a.device + ": not here, or not for this network (--list)");
  firecaffe::mpi::session session{argc, argv};
  each([&](const char* name, const measured_device& d) {
    a.net = name;
    d.throughput(a, session);
  });
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "throughput: %s\n", e.what());
  return 1;
}
