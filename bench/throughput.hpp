#pragma once

// Training throughput of one network: forward, loss, backward, sum over the ranks, update, on random images in memory.
#include <getopt.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <firecaffe/cpu.hpp>
#include <firecaffe/mpi.hpp>
#include <string>
#include <vector>

namespace fc = firecaffe;

struct arguments {
  std::string net;
  int batch = 64, threads = 1, rounds = 9;
  double seconds = 5;
};

constexpr const char* usage =
    "usage: throughput[_NET] [--net NET] [--batch N] [--threads N] [--seconds S] [--rounds N]\n"
    "Times training steps on random images; under mpirun on all ranks, with --batch their global batch.\n"
    "Prints one JSON object per line on standard output, a table on standard error.\n"
    "  --net NET      each program has one: throughput lenet, throughput_nin nin, throughput_googlenet googlenet\n"
    "  --batch N      samples of one update, on all ranks together (64)\n"
    "  --threads N    of each rank (1)\n"
    "  --seconds S    to measure for, after a warm-up (5)\n"
    "  --rounds N     the time is cut into; the median and the spread are over these (9)\n";

inline arguments parse(int argc, char** argv) {
  arguments a;
  const option options[] = {{"net", 1, nullptr, 'n'},     {"batch", 1, nullptr, 'b'},  {"threads", 1, nullptr, 't'},
                            {"seconds", 1, nullptr, 's'}, {"rounds", 1, nullptr, 'r'}, {"help", 0, nullptr, 'h'},
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
        a.seconds = std::stod(optarg);
        break;
      case 'r':
        a.rounds = std::max(1, std::stoi(optarg));
        break;
      default:
        std::fputs(usage, c == 'h' ? stdout : stderr);
        std::exit(c == 'h' ? 0 : 2);
    }
  return a;
}

template <class Net>
void measure(const arguments& a, fc::mpi::session& session) {
  using trainer_type = fc::trainer<Net, fc::sgd, fc::direct<fc::mpi::transport>, fc::cpu>;
  trainer_type trainer{session.world(),
                       {.batch = a.batch,
                        .solver = {.momentum = 0.9f, .weight_decay = 5e-4f},
                        .learning_rate = fc::lr::fixed{0.01f},
                        .threads = a.threads}};
  auto& comm = trainer.communicator();
  const fc::shape in = trainer_type::model_type::the_plan.values[0].extents;
  const int first = a.batch * comm.rank() / comm.size(), mine = a.batch * (comm.rank() + 1) / comm.size() - first;
  std::vector<float> values(std::size_t(mine) * std::size_t(in.elements()));
  std::vector<std::int32_t> labels;
  labels.resize(std::size_t(mine));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = float(fc::random_unit({1, 0, std::uint32_t(comm.rank()), fc::random_use::test, 0}, i));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = std::int32_t((i + std::size_t(first)) % 10);
  const fc::batch_view batch{values.data(), labels.data(), nullptr, mine, first};

  // Every rank makes as many steps as rank 0 thinks right.
  for (int i = 0; i < 3; ++i) trainer.step(batch, a.batch);
  fc::stopwatch watch;
  for (int i = 0; i < 5; ++i) trainer.step(batch, a.batch);
  double steps[1] = {comm.rank() == 0 ? std::max(1.0, std::floor(a.seconds / a.rounds * 5 / watch.seconds())) : 0.0};
  comm.sum(steps);
  const int per_round = int(steps[0]);
  for (int i = 0; i < per_round; ++i) trainer.step(batch, a.batch);

  std::vector<double> seconds;
  const double waited = trainer.seconds_waited();
  fc::stopwatch whole;
  for (int r = 0; r < a.rounds; ++r) {
    fc::stopwatch round;
    for (int i = 0; i < per_round; ++i) trainer.step(batch, a.batch);
    seconds.push_back(round.seconds() / per_round);
  }
  const double share = (trainer.seconds_waited() - waited) / whole.seconds();
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  rusage usage_now{};
  getrusage(RUSAGE_SELF, &usage_now);
  double peak[1] = {double(usage_now.ru_maxrss) * 1024};
  comm.sum(peak);
  if (comm.rank() != 0) return;
  std::printf(
      "{\"benchmark\": \"throughput\", \"net\": \"%s\", \"device\": \"%s\", \"batch\": %d, \"threads\": %d, \"ranks\": "
      "%d, "
      "\"images_per_second\": %.1f, \"images_per_second_min\": %.1f, \"images_per_second_max\": %.1f, "
      "\"seconds_per_step\": %.6g, \"seconds_per_step_min\": %.6g, \"seconds_per_step_max\": %.6g, "
      "\"rounds\": %d, \"steps_per_round\": %d, \"waited_for_gradients\": %.4f, \"planned_bytes\": %zu, "
      "\"peak_rss_bytes\": %.0f}\n",
      a.net.c_str(), fc::cpu::name, a.batch, a.threads, comm.size(), a.batch / median, a.batch / seconds.back(),
      a.batch / seconds.front(), median, seconds.front(), seconds.back(), a.rounds, per_round, share,
      fc::memory_plan<Net, fc::cpu>::bytes(trainer.network().capacity()), peak[0]);
  std::fflush(stdout);
  std::fprintf(stderr, "%-10s %-5s batch %4d  %d rank(s) x %d thread(s)  %9.1f images/s [%.1f .. %.1f]  %.1f MiB\n",
               a.net.c_str(), fc::cpu::name, a.batch, comm.size(), a.threads, a.batch / median,
               a.batch / seconds.back(), a.batch / seconds.front(), peak[0] / (1 << 20));
}

template <class Net>
int run(int argc, char** argv, const char* net) try {
  arguments a = parse(argc, argv);
  if (!a.net.empty() && a.net != net)
    throw fc::usage_error("--net " + a.net + ": this program measures " + net + "; --help names the others");
  a.net = net;
  fc::mpi::session session{argc, argv};
  measure<Net>(a, session);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "throughput: %s\n", e.what());
  return 1;
}
