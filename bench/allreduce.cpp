// Sums float buffers with the library's algorithms, with MPI's allreduce and with gloo's ring, in turns within one run,
// so that all see the same machine. JSON lines on stdout, a table on stderr; --help tells the options.
// bench/network.sh runs it on links of a given speed, bench/plot_allreduce.py draws what it prints.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "allreduce_options.hpp"
#include "contenders.hpp"
#include "firecaffe/mpi.hpp"

namespace {

using bench::contender;
namespace fc = firecaffe;

std::vector<contender> make_contenders(const bench::options& o, MPI_Comm comm) {
  const std::vector<bench::known_contender> known = bench::known_contenders();
  bench::setting s{comm, *std::max_element(o.sizes.begin(), o.sizes.end()) / sizeof(float), o.interface, {}};
  const auto listed = [](const std::vector<std::string>& list, const char* name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const std::string& name : o.algorithms)
    if (std::none_of(known.begin(), known.end(), [&](const auto& k) { return name == k.algorithm; }))
      throw fc::usage_error("no algorithm '" + name + "' here (--list names them)");
  std::vector<contender> made;
  for (const bench::known_contender& k : known) {
    if (!o.algorithms.empty() && !listed(o.algorithms, k.algorithm)) continue;
    if (!k.has_segments) {
      made.push_back(k.make(s));
      continue;
    }
    if (!listed(o.transports, k.transport)) continue;
    for (const std::size_t segment : o.segments)
      for (const std::size_t window : o.windows) {
        s.options.segment_bytes = segment;
        s.options.window = static_cast<int>(window);
        made.push_back(k.make(s));
      }
  }
  return made;
}

// Small whole numbers, so that every order of summation gives the same bits.
float value(int rank, std::size_t i) { return static_cast<float>((i * 7 + static_cast<std::size_t>(rank) * 13) % 61); }

void verify(const contender& c, std::span<float> data, MPI_Comm comm) {
  int rank = 0, ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  std::vector<float> expected(61);  // value() has this period in i
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (int r = 0; r < ranks; ++r) expected[i] += value(r, i);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = value(rank, i);
  c.sum(data);
  for (std::size_t i = 0; i < data.size(); ++i)
    if (data[i] != expected[i % expected.size()])
      throw fc::error("rank " + std::to_string(rank) + ": " + c.algorithm + " on " + c.transport + ": element " +
                      std::to_string(i) + " of " + std::to_string(data.size()) + " is wrong");
  std::fill(data.begin(), data.end(), 0.0f);  // sums of what was summed would overflow
}

struct measured {
  double seconds;    // for one sum, by the slowest rank, from when all are ready
  double processor;  // seconds for one sum, of all ranks and their threads together; waiting counts where it polls
};

measured sample(const contender& c, std::span<float> data, std::size_t sums, MPI_Comm comm) {
  MPI_Barrier(comm);
  const std::clock_t busy = std::clock();
  const double start = MPI_Wtime();
  for (std::size_t i = 0; i < sums; ++i) c.sum(data);
  double seconds = MPI_Wtime() - start;
  double processor = static_cast<double>(std::clock() - busy) / CLOCKS_PER_SEC;
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, comm);
  MPI_Allreduce(MPI_IN_PLACE, &processor, 1, MPI_DOUBLE, MPI_SUM, comm);
  return {seconds / static_cast<double>(sums), processor / static_cast<double>(sums)};
}

struct place {  // of this rank, and what it measures in
  MPI_Comm comm;
  int rank, ranks, nodes;
};

void report(const bench::options& o, const place& p, const contender& c, std::size_t bytes,
            const std::vector<measured>& samples) {
  std::vector<double> times;
  double processor = 0;
  for (const measured& m : samples) {
    times.push_back(m.seconds);
    processor += m.processor / static_cast<double>(samples.size());
  }
  std::sort(times.begin(), times.end());
  const auto at = [&](double q) {
    return 1e6 * times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1) + 0.5)];
  };
  const double bound = o.bandwidth == 0 ? 0 : 2e6 * (p.ranks - 1) / p.ranks * static_cast<double>(bytes) / o.bandwidth;
  std::printf(
      "{\"benchmark\": \"allreduce\", \"algorithm\": \"%s\", \"transport\": \"%s\", \"ranks\": %d, \"nodes\": %d, "
      "\"bytes\": %zu, \"segment_bytes\": %zu, \"window\": %d, \"samples\": %zu, \"microseconds\": %.2f, "
      "\"p10\": %.2f, \"p90\": %.2f, \"least\": %.2f, \"processor_microseconds\": %.2f",
      c.algorithm.c_str(), c.transport.c_str(), p.ranks, p.nodes, bytes, c.segment_bytes, c.window, times.size(),
      at(0.5), at(0.1), at(0.9), at(0), 1e6 * processor);
  const std::string chosen = c.chosen ? c.chosen() : "";
  if (bound > 0) std::printf(", \"bound_microseconds\": %.2f", bound);
  if (!chosen.empty()) std::printf(", \"chosen\": \"%s\"", chosen.c_str());
  std::printf("}\n");
  std::fflush(stdout);
  std::fprintf(stderr, "%10zu  %-22s %-6s %8zu x %-2d %12.1f %12.1f %12.1f %9.1f", bytes, c.algorithm.c_str(),
               c.transport.c_str(), c.segment_bytes, c.window, at(0.5), at(0.1), at(0.9), 1e6 * processor / at(0.5));
  if (bound > 0) std::fprintf(stderr, " %7.2f", at(0.5) / bound);
  std::fprintf(stderr, "%s%s\n", chosen.empty() ? "" : "  ", chosen.c_str());
}

void measure(const bench::options& o, const place& p) {
  const std::vector<contender> contenders = make_contenders(o, p.comm);
  std::vector<float> plain(*std::max_element(o.sizes.begin(), o.sizes.end()) / sizeof(float));
  if (p.rank == 0)
    std::fprintf(stderr,
                 "%d ranks on %d nodes; microseconds of the slowest rank; cores kept busy; median over lower bound\n"
                 "%10s  %-22s %-6s %8s   %-2s %12s %12s %12s %9s\n",
                 p.ranks, p.nodes, "bytes", "algorithm", "on", "segment", "w", "median", "p10", "p90", "cores");
  for (const std::size_t bytes : o.sizes) {
    const std::size_t elements = bytes / sizeof(float);
    const std::size_t sums = std::clamp<std::size_t>((16 << 20) / bytes, 1, 32);  // timed together
    const auto data = [&](const contender& c) {
      return (c.memory.empty() ? std::span<float>(plain) : c.memory).first(elements);
    };
    std::vector<std::vector<measured>> times(contenders.size());
    std::vector<double> spent(contenders.size());
    for (const contender& c : contenders) {
      c.prepare(elements);
      verify(c, data(c), p.comm);
      sample(c, data(c), sums, p.comm);  // warms up
    }
    for (std::size_t turn = 0; turn < o.repeats; ++turn)
      for (std::size_t k = 0; k < contenders.size(); ++k) {
        const std::size_t i = (k + turn) % contenders.size();  // nobody always follows the same one
        if (turn >= 3 && spent[i] > o.seconds) continue;
        times[i].push_back(sample(contenders[i], data(contenders[i]), sums, p.comm));
        spent[i] += times[i].back().seconds * static_cast<double>(sums);
      }
    if (p.rank != 0) continue;
    for (std::size_t i = 0; i < contenders.size(); ++i) report(o, p, contenders[i], bytes, times[i]);
  }
}

place find_place(MPI_Comm comm) {
  place p{comm, 0, 1, 0};
  MPI_Comm_rank(comm, &p.rank);
  MPI_Comm_size(comm, &p.ranks);
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, p.rank, MPI_INFO_NULL, &node);
  int first = 0;
  MPI_Comm_rank(node, &first);
  first = first == 0;
  MPI_Comm_free(&node);
  MPI_Allreduce(&first, &p.nodes, 1, MPI_INT, MPI_SUM, comm);
  return p;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help") return std::fputs(bench::usage, stdout) < 0;
  try {
    const bench::options o = bench::parse(argc, argv);
    if (o.list) {
      for (const auto& k : bench::known_contenders()) std::printf("%s (%s)\n", k.algorithm, k.transport);
      return 0;
    }
    fc::mpi::session session{argc, argv};
    measure(o, find_place(session.world()));
  } catch (const fc::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
