#include "engine.hpp"

#include <smpi/smpi.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <simgrid/s4u.hpp>
#include <stdexcept>
#include <utility>

namespace s4u = simgrid::s4u;

namespace simulate {

namespace {

using net_point = simgrid::kernel::routing::NetPoint;

// Of the one simulation of this process:
s4u::BarrierPtr everybody;
std::vector<const void*> offered;  // by each rank, to all

std::string host_name(int rank) { return "node" + std::to_string(rank); }

// A node's full-duplex link; the way in gets slower the more messages share it, if the machine is so.
s4u::SplitDuplexLink* node_link(s4u::NetZone* zone, const machine& m, int rank) {
  auto* link = zone->create_split_duplex_link("link" + std::to_string(rank), m.bandwidth);
  link->set_latency(m.latency / 2);
  if (m.incast_slowdown > 0)
    link->get_link_down()->set_sharing_policy(s4u::Link::SharingPolicy::NONLINEAR,
                                              [k = m.incast_slowdown](double capacity, int messages) {
                                                return capacity / (1 + k * std::max(0, messages - 1));
                                              });
  link->seal();
  return link;
}

void add_node(s4u::NetZone* star, const machine& m, int rank) {
  const s4u::Host* host = star->create_host(host_name(rank), 1e9)->seal();
  star->add_route(host->get_netpoint(), nullptr, nullptr, nullptr,
                  {{node_link(star, m, rank), s4u::LinkInRoute::Direction::UP}}, true);
}

void build_star(const machine& m, int ranks) {
  s4u::NetZone* zone = s4u::create_star_zone("cluster");
  for (int r = 0; r < ranks; ++r) add_node(zone, m, r);
  zone->seal();
}

void build_fat_tree(const machine& m, int ranks) {
  constexpr unsigned ports = 18;
  const auto switches = static_cast<unsigned>(std::max(1, (ranks + int(ports) - 1) / int(ports)));
  const auto leaf = [](s4u::NetZone* zone, const std::vector<unsigned long>&, unsigned long id) {
    const s4u::Host* host = zone->create_host(host_name(static_cast<int>(id)), 1e9)->seal();
    return std::pair<net_point*, net_point*>{host->get_netpoint(), nullptr};
  };
  s4u::create_fatTree_zone("cluster", nullptr, {2, {ports, switches}, {1, ports}, {1, 1}}, s4u::ClusterCallbacks(leaf),
                           m.bandwidth, m.latency / 4, s4u::Link::SharingPolicy::SPLITDUPLEX)
      ->seal();
}

// The box of routers nearest to a cube that holds a job, powers of two along each side.
std::array<unsigned long, 3> box_of(int routers) {
  std::array<unsigned long, 3> side{1, 1, 1};
  for (std::size_t next = 0; side[0] * side[1] * side[2] < static_cast<unsigned long>(routers); next = (next + 1) % 3)
    side[next] *= 2;
  return side;
}

void build_torus(const machine& m, int ranks) {
  const auto box = box_of((ranks + 1) / 2);
  std::vector<unsigned long> torus;  // twice the box: the shortest way never leads around it
  for (const unsigned long side : box) torus.push_back(2 * side);
  const auto router = [&](s4u::NetZone* parent, const std::vector<unsigned long>&, unsigned long id) {
    const unsigned long x = id % torus[0], y = id / torus[0] % torus[1], z = id / torus[0] / torus[1];
    s4u::NetZone* chip = s4u::create_star_zone("chip" + std::to_string(id))->set_parent(parent);
    net_point* gateway = chip->create_router("router" + std::to_string(id));
    const s4u::Link* leaving = chip->create_link("leaving" + std::to_string(id), m.flow_bandwidth)
                                   ->set_sharing_policy(s4u::Link::SharingPolicy::FATPIPE)
                                   ->seal();
    chip->add_route(gateway, nullptr, nullptr, nullptr, {{leaving, s4u::LinkInRoute::Direction::NONE}}, true);
    if (x < box[0] && y < box[1] && z < box[2]) {  // ranks follow a path from router to neighbouring router
      const unsigned long row = z * box[1] + (z % 2 == 0 ? y : box[1] - 1 - y);
      const int first = 2 * static_cast<int>(row * box[0] + (row % 2 == 0 ? x : box[0] - 1 - x));
      for (int r = first; r < std::min(first + 2, ranks); ++r) add_node(chip, m, r);
    }
    chip->seal();
    return std::pair<net_point*, net_point*>{chip->get_netpoint(), gateway};
  };
  s4u::create_torus_zone("cluster", nullptr, torus, s4u::ClusterCallbacks(router), m.link_bandwidth, m.hop_latency,
                         s4u::Link::SharingPolicy::SPLITDUPLEX)
      ->seal();
  for (unsigned long id = 0; id < torus[0] * torus[1] * torus[2]; ++id) {
    const unsigned long plane = torus[0] * torus[1], next = id / plane * plane + (id % plane + torus[0]) % plane;
    for (const char* way : {"_UP", "_DOWN"})
      s4u::Link::by_name("cluster_link_from_" + std::to_string(id) + "_to_" + std::to_string(next) + way)
          ->set_bandwidth(m.thin_bandwidth);
  }
}

// The contents of small messages matter (MPI's own, sums of a few numbers), those of large ones would only take time.
void copy_small(smx_activity_t message, void* contents, std::size_t bytes) {
  if (bytes <= 65536)
    smpi_comm_copy_buffer_callback(reinterpret_cast<simgrid::kernel::activity::CommImpl*>(message), contents, bytes);
}

std::vector<double> simulate_here(const machine& m, int ranks,
                                  const std::function<std::vector<double>(MPI_Comm)>& body) {
  char program[] = "simulate", quiet[] = "--log=root.thresh:warning";
  char* arguments[] = {program, quiet, nullptr};
  int count = 2;
  s4u::Engine engine(&count, arguments);
  for (const char* setting :
       {"network/model:CM02", "network/bandwidth-factor:1", "network/latency-factor:1", "network/weight-S:0",
        "network/crosstraffic:no", "network/TCP-gamma:0", "smpi/simulate-computation:no", "smpi/grow-injected-times:no",
        "smpi/test:1e-6", "smpi/wtime:0", "smpi/send-is-detached-thresh:0", "contexts/stack-size:1024"})
    s4u::Engine::set_config(setting);
  if (m.shape == topology::star) build_star(m, ranks);
  if (m.shape == topology::fat_tree) build_fat_tree(m, ranks);
  if (m.shape == topology::torus) build_torus(m, ranks);

  smpi_comm_set_copy_data_callback(&copy_small);
  SMPI_init();
  SMPI_app_instance_register("training", nullptr, ranks);
  everybody = s4u::Barrier::create(static_cast<unsigned>(ranks));
  offered.resize(static_cast<std::size_t>(ranks));
  std::vector<double> result;
  for (int r = 0; r < ranks; ++r) {
    s4u::ActorPtr actor = s4u::Actor::init("rank" + std::to_string(r), s4u::Host::by_name(host_name(r)));
    actor->set_property("instance_id", "training");
    actor->set_property("rank", std::to_string(r));
    actor->start([&body, &result, r] {
      MPI_Init(nullptr, nullptr);
      MPI_Comm ours = MPI_COMM_NULL;
      MPI_Comm_dup(MPI_COMM_WORLD, &ours);
      try {
        std::vector<double> mine = body(ours);
        if (r == 0) result = std::move(mine);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "simulate: %s\n", e.what());
        std::fflush(stderr);
        _exit(1);
      }
      MPI_Comm_free(&ours);
      MPI_Finalize();
    });
  }
  engine.run();
  if (result.empty()) throw std::runtime_error("simulate: the ranks did not finish");
  return result;
}

void write_all(int to, const std::vector<double>& values) {
  const char* at = reinterpret_cast<const char*>(values.data());
  for (std::size_t left = values.size() * sizeof(double); left > 0;) {
    const ssize_t wrote = write(to, at, left);
    if (wrote <= 0) _exit(1);
    at += wrote, left -= static_cast<std::size_t>(wrote);
  }
}

}  // namespace

std::vector<double> run(const machine& m, int ranks, const std::function<std::vector<double>(MPI_Comm)>& body) {
  int ends[2];
  std::fflush(nullptr);
  if (pipe(ends) != 0) throw std::runtime_error("simulate: no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("simulate: no process");
  if (child == 0) {  // SimGrid serves one simulation per process
    close(ends[0]);
    write_all(ends[1], simulate_here(m, ranks, body));
    _exit(0);
  }
  close(ends[1]);
  std::vector<double> values;
  double value = 0;
  while (read(ends[0], &value, sizeof value) == static_cast<ssize_t>(sizeof value)) values.push_back(value);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("simulate: the simulation of " + m.name + " with " + std::to_string(ranks) +
                             " ranks failed");
  return values;
}

double simulated_seconds() { return s4u::Engine::get_clock(); }

void meet() { everybody->wait(); }

void compute(double seconds) {
  if (seconds > 0) s4u::this_actor::sleep_for(seconds);
}

std::byte* address_range() {
  static void* const range =
      mmap(nullptr, address_range_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) throw std::runtime_error("simulate: no address space");
  return static_cast<std::byte*>(range);
}

}  // namespace simulate

// Two collectives of the transport's constructor, by MPI's profiling interface: SMPI's own keep p^2 messages and take a
// time that grows with p^3 for p ranks. All ranks live in this process, each on a node of its own.
extern "C" int MPI_Comm_split_type(MPI_Comm, int, int, MPI_Info, MPI_Comm* node) {
  return PMPI_Comm_dup(MPI_COMM_SELF, node);
}

extern "C" int MPI_Allgather(const void* from, int count, MPI_Datatype type, void* into, int, MPI_Datatype,
                             MPI_Comm comm) {
  int rank = 0, ranks = 0, size = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  MPI_Type_size(type, &size);
  if (static_cast<std::size_t>(ranks) != simulate::offered.size()) return MPI_ERR_COMM;
  const std::size_t bytes = static_cast<std::size_t>(count) * static_cast<std::size_t>(size);
  simulate::offered[static_cast<std::size_t>(rank)] = from;
  simulate::meet();
  for (std::size_t r = 0; r < simulate::offered.size(); ++r)
    std::memcpy(static_cast<std::byte*>(into) + r * bytes, simulate::offered[r], bytes);
  simulate::meet();
  return MPI_SUCCESS;
}
