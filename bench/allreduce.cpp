// Sums float buffers with the library's algorithms and with MPI_Allreduce, in turns within one run, so that both see
// the same machine. Times are those of the slowest rank. One JSON line per size and algorithm on stdout, a table on
// stderr. Run: mpirun -n 4 allreduce [--repeats N] [--segment BYTES] [--window N] [--max BYTES]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/mpi.hpp"

namespace fc = firecaffe;

namespace {

constexpr const char* usage =
    "usage: mpirun -n RANKS allreduce [options]\n"
    "  --repeats N      timed sums per size and algorithm (default 20; fewer for large sizes)\n"
    "  --segment BYTES  segment of the tree (default: the library's)\n"
    "  --window N       segments under way per peer (default: the library's)\n"
    "  --max BYTES      largest buffer (default 67108864)\n"
    "  --help           this text\n"
    "Prints JSON lines {benchmark, algorithm, ranks, bytes, segment_bytes, window, repeats, microseconds, p10, p90}.\n";

struct options {
  std::size_t repeats = 20, max = 64 << 20;
  fc::communicator_options communicator;
};

std::size_t number(std::string_view name, const char* text) {
  char* end = nullptr;
  const unsigned long long value = text == nullptr ? 0 : std::strtoull(text, &end, 10);
  if (value == 0 || *end != '\0') throw fc::usage_error(std::string(name) + " needs a positive number");
  return value;
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name != "--repeats" && name != "--segment" && name != "--window" && name != "--max")
      throw fc::usage_error("unknown option " + std::string(name) + "\n" + usage);
    const std::size_t value = number(name, argv[i + 1]);
    if (name == "--repeats") o.repeats = value;
    if (name == "--segment") o.communicator.segment_bytes = value;
    if (name == "--window") o.communicator.window = static_cast<int>(value);
    if (name == "--max") o.max = value;
  }
  return o;
}

template <class Body>
double slowest(MPI_Comm comm, Body body) {
  MPI_Barrier(comm);
  const double start = MPI_Wtime();
  body();
  double seconds = MPI_Wtime() - start;
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, comm);
  return seconds * 1e6;
}

double report(const options& o, const char* algorithm, int ranks, std::size_t bytes, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double q) {
    return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1) + 0.5)];
  };
  std::printf(
      "{\"benchmark\": \"allreduce\", \"algorithm\": \"%s\", \"ranks\": %d, \"bytes\": %zu, \"segment_bytes\": %zu, "
      "\"window\": %d, \"repeats\": %zu, \"microseconds\": %.2f, \"p10\": %.2f, \"p90\": %.2f}\n",
      algorithm, ranks, bytes, o.communicator.segment_bytes, o.communicator.window, times.size(), at(0.5), at(0.1),
      at(0.9));
  return at(0.5);
}

void measure(const options& o, MPI_Comm comm) {
  fc::tree<fc::mpi::transport> tree{comm, o.communicator};
  if (tree.rank() == 0)
    std::fprintf(stderr, "%d ranks, float sums, median microseconds of the slowest rank\n%12s %14s %14s %8s\n",
                 tree.size(), "bytes", "tree", "MPI_Allreduce", "ratio");
  for (std::size_t bytes = 4096; bytes <= o.max; bytes *= 4) {
    std::vector<float> data(bytes / sizeof(float), 0.0f);
    const std::size_t repeats = std::clamp<std::size_t>((std::size_t{256} << 20) / bytes, 5, o.repeats);
    std::vector<double> ours, theirs;
    for (std::size_t i = 0; i < repeats + 2; ++i) {  // two to warm up
      const double a = slowest(comm, [&] {
        tree.start(0, std::span{data});
        tree.wait(0);
      });
      const double b = slowest(comm, [&] {
        MPI_Allreduce(MPI_IN_PLACE, data.data(), static_cast<int>(data.size()), MPI_FLOAT, MPI_SUM, comm);
      });
      if (i >= 2) ours.push_back(a), theirs.push_back(b);
    }
    if (tree.rank() != 0) continue;
    const double a = report(o, "tree", tree.size(), bytes, ours);
    const double b = report(o, "mpi_allreduce", tree.size(), bytes, theirs);
    std::fprintf(stderr, "%12zu %14.1f %14.1f %8.2f\n", bytes, a, b, a / b);
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help") return std::fputs(usage, stdout) < 0;
  try {
    const options o = parse(argc, argv);
    fc::mpi::session session{argc, argv};
    measure(o, session.world());
  } catch (const fc::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
