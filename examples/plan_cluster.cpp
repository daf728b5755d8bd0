// What would a cluster make of this network? Measures how fast this machine trains it (or takes a described device),
// then prints step time, speedup and efficiency for interconnects and numbers of nodes:
//   build/examples/plan_cluster --net googlenet
//   build/examples/plan_cluster --net nin --flops 1.2e12 --half-batch 16
//   mpirun -n 4 build/examples/plan_cluster --net lenet --check    # predicted and measured, on the nodes at hand
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <firecaffe/comm/automatic.hpp>
#include <firecaffe/cpu.hpp>
#include <firecaffe/mpi.hpp>
#include <firecaffe/network/work.hpp>
#include <firecaffe/zoo/googlenet.hpp>
#include <firecaffe/zoo/lenet.hpp>
#include <firecaffe/zoo/nin.hpp>
#include <string>

namespace fc = firecaffe;

struct arguments {
  std::string net = "googlenet";
  double flops = 0, images = 0, half_batch = 0, add_rate = 0, gain = 1.5;
  int batch = 1024, ranks = 1024, threads = 0;
  bool json = false, check = false;
};

constexpr const char* usage =
    "usage: plan_cluster [options]\n"
    "Prices training steps on clusters of one device per node: by the network's type alone, and by the speed of the\n"
    "device, which is measured on this machine's CPU unless --flops or --images-per-second says it.\n"
    "  --net NAME             lenet, nin or googlenet (googlenet)\n"
    "  --flops X              of a device, 1/s, that training reaches at large batches\n"
    "  --images-per-second X  the same as samples trained per second\n"
    "  --half-batch X         samples per device at which it reaches half of that (0)\n"
    "  --add-rate X           B/s at which a node's CPU adds gradients (measured here)\n"
    "  --batch N              the greatest batch of the whole cluster that the solver can do with (1024)\n"
    "  --ranks N              the greatest number of nodes, a power of two (1024)\n"
    "  --gain X               doubling the nodes pays while it makes training X times as fast (1.5)\n"
    "  --threads N            of each rank in measurements; 0: its share of the node's cores (0)\n"
    "  --check                under mpirun: train on these ranks, and print predicted and measured step times\n"
    "  --json                 one JSON object per line instead of tables\n";

arguments parse(int argc, char** argv) {
  arguments a;
  const option options[] = {
      {"net", 1, nullptr, 'n'},        {"flops", 1, nullptr, 'f'},    {"images-per-second", 1, nullptr, 'i'},
      {"half-batch", 1, nullptr, 'h'}, {"add-rate", 1, nullptr, 'a'}, {"batch", 1, nullptr, 'b'},
      {"ranks", 1, nullptr, 'r'},      {"gain", 1, nullptr, 'g'},     {"threads", 1, nullptr, 't'},
      {"check", 0, nullptr, 'c'},      {"json", 0, nullptr, 'j'},     {"help", 0, nullptr, '?'},
      {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "", options, nullptr)) != -1;) switch (c) {
      case 'n':
        a.net = optarg;
        break;
      case 'f':
        a.flops = std::stod(optarg);
        break;
      case 'i':
        a.images = std::stod(optarg);
        break;
      case 'h':
        a.half_batch = std::stod(optarg);
        break;
      case 'a':
        a.add_rate = std::stod(optarg);
        break;
      case 'b':
        a.batch = std::stoi(optarg);
        break;
      case 'r':
        a.ranks = std::stoi(optarg);
        break;
      case 'g':
        a.gain = std::stod(optarg);
        break;
      case 't':
        a.threads = std::stoi(optarg);
        break;
      case 'c':
        a.check = true;
        break;
      case 'j':
        a.json = true;
        break;
      default: {
        const bool asked = std::string(argv[optind - 1]) == "--help";
        std::fputs(usage, asked ? stdout : stderr);
        std::exit(asked ? 0 : 2);
      }
    }
  return a;
}

struct interconnect {
  std::string name;
  fc::link link;
  double message_seconds;
};

// Bandwidth of Ethernet is the line's, of which TCP's headers take some 6 % at 1500-byte frames; of InfiniBand the data
// rate after line coding, less what headers take of it. Latency is one way from process to process: through the
// kernel's TCP some 20 us at 10 Gbit/s (19 us and 21 us in Hurwitz and Feng, "Initial end-to-end performance evaluation
// of 10-Gigabit Ethernet", Hot Interconnects 2003), more behind switches and where interrupts are coalesced; through
// InfiniBand's verbs about 1 us, and 0.1 us for each switch. 1 GbE, 10 GbE and FDR are as in bench/simulate. A measured
// link replaces all of these under mpirun on several nodes.
const std::vector<interconnect> catalogue{
    {"1 GbE", {50e-6, 0.125e9}, 5e-6},          {"10 GbE", {25e-6, 1.25e9}, 4e-6},
    {"25 GbE", {20e-6, 3.125e9}, 3e-6},         {"100 GbE", {15e-6, 12.5e9}, 3e-6},
    {"InfiniBand FDR", {1.5e-6, 6e9}, 0.3e-6},  {"InfiniBand HDR", {1.2e-6, 23.5e9}, 0.25e-6},
    {"InfiniBand NDR", {1.2e-6, 47e9}, 0.25e-6}};

// A network as the plan sees it.
struct subject {
  std::vector<fc::op_work> work;
  std::vector<fc::bucket> (*buckets)(std::size_t bytes);
  double bytes;  // of gradients

  double flops() const {
    double sum = 0;
    for (const fc::op_work& w : work) sum += w.forward + w.backward;
    return sum;
  }

  // A device that trains `samples` at a time; it reads and writes five arrays in an update where an addition has three.
  fc::step_work step(const fc::machine& m, double samples, std::size_t bucket_bytes, bool polled) const {
    const double scale = samples / m.rate(samples);
    fc::step_work step{{}, {}, bytes / m.add_rate * 5 / 3, polled};
    for (const fc::op_work& w : work) step.ops.push_back(w.forward * scale);
    for (auto w = work.rbegin(); w != work.rend(); ++w) step.ops.push_back(w->backward * scale);
    for (const fc::bucket& b : buckets(bucket_bytes))
      step.buckets.push_back({b.last - b.first, 2 * work.size() - 1 - static_cast<std::size_t>(b.ready_op)});
    return step;
  }
};

// One way to sum the gradients, rehearsed for a number of nodes.
struct way {
  std::string_view algorithm;
  std::size_t bucket_bytes;
  std::vector<fc::rehearsal> buckets;
};

std::vector<way> ways(const subject& net, const fc::node_map& nodes) {
  std::vector<way> list;
  const fc::machine any;
  std::size_t before = 0;
  for (const std::size_t bucket_bytes : {std::size_t{1} << 20, std::size_t{8} << 20, SIZE_MAX / 2}) {
    const std::vector<fc::bucket_work> buckets = net.step(any, 1, bucket_bytes, false).buckets;
    if (buckets.size() == before) continue;
    before = buckets.size();
    const auto add = [&]<class Algorithm>(std::size_t segment, std::size_t least_slice = 0) {
      // Many ranks with little each: never best, and slow to price.
      for (const fc::bucket_work& b : buckets)
        if (b.elements < least_slice * static_cast<std::size_t>(nodes.ranks())) return;
      list.push_back({Algorithm::name, bucket_bytes, fc::rehearse_step(buckets, [&](std::size_t elements, bool whole) {
                        return fc::rehearse<Algorithm>(nodes, elements, segment, whole);
                      })});
    };
    const std::size_t segment = nodes.ranks() <= 64 ? 1 << 16 : 1 << 18;  // elements
    add.operator()<fc::halving_doubling_schedule>(SIZE_MAX, 64);
    add.operator()<fc::ring_schedule>(SIZE_MAX, nodes.ranks() > 64 ? 1024 : 64);
    if (nodes.ranks() > 256 && bucket_bytes > SIZE_MAX / 4) continue;  // slow to price, and no faster than in pieces
    add.operator()<fc::tree_schedule>(segment);
    add.operator()<fc::double_tree_schedule>(segment);
  }
  return list;
}

struct row {
  int ranks = 1, batch = 1;
  const way* how = nullptr;
  fc::step_cost step;
  double speed() const { return batch / step.seconds; }
};

// The fastest way at the greatest batch; then the smallest batch that is not much slower, because it trains better.
row best_row(const subject& net, const fc::machine& m, const std::vector<way>& list, const arguments& a, int ranks,
             bool polled) {
  const fc::node_map nodes = fc::node_map::even(ranks, 1);
  const auto run = [&](const way& w, int batch) {
    const fc::step_work work = net.step(m, static_cast<double>((batch + ranks - 1) / ranks), w.bucket_bytes, polled);
    const int window = fc::communicator_options{}.window;
    return row{ranks, batch, &w, fc::price_step(m, nodes, work, w.buckets, sizeof(float), window)};
  };
  row best = run(list[0], a.batch);
  for (const way& w : list)
    if (const row r = run(w, a.batch); r.speed() > best.speed()) best = r;
  const double wanted = 0.95 * best.speed();
  for (int batch = ranks; batch < a.batch; batch *= 2)
    if (const row r = run(*best.how, batch); r.speed() >= wanted) return r;
  return best;
}

std::string bytes_text(std::size_t bytes) { return bytes > SIZE_MAX / 4 ? "one" : std::to_string(bytes >> 20) + " MB"; }

void print(const arguments& a, const interconnect& net, const std::vector<row>& rows, double alone) {
  int pays = 1;
  for (std::size_t i = 1; i < rows.size() && rows[i].speed() >= a.gain * rows[i - 1].speed(); ++i) pays = rows[i].ranks;
  if (!a.json)
    std::printf("\n%s: %.1f us, %.0f MB/s\n%6s %6s  %-17s %-8s %11s %9s %11s %14s %12s\n", net.name.c_str(),
                net.link.latency * 1e6, net.link.bandwidth / 1e6, "nodes", "batch", "algorithm", "buckets", "step, ms",
                "speedup", "efficiency", "communication", "samples/s");
  for (const row& r : rows) {
    const double speedup = r.speed() / alone, efficiency = speedup / r.ranks, share = r.step.exposed() / r.step.seconds;
    const std::string algorithm(r.ranks == 1 ? "-" : r.how->algorithm);
    const std::string buckets = r.ranks == 1 ? "-" : bytes_text(r.how->bucket_bytes);
    if (a.json)
      std::printf(
          "{\"net\":\"%s\",\"interconnect\":\"%s\",\"nodes\":%d,\"batch\":%d,\"algorithm\":\"%s\",\"buckets\":\"%s\","
          "\"step_seconds\":%.6g,\"speedup\":%.4g,\"efficiency\":%.4g,\"communication_share\":%.4g,"
          "\"samples_per_second\":%.6g,\"pays\":%s}\n",
          a.net.c_str(), net.name.c_str(), r.ranks, r.batch, algorithm.c_str(), buckets.c_str(), r.step.seconds,
          speedup, efficiency, share, r.speed(), r.ranks <= pays ? "true" : "false");
    else
      std::printf("%6d %6d  %-17s %-8s %11.2f %9.1f %10.0f%% %13.1f%% %12.0f\n", r.ranks, r.batch, algorithm.c_str(),
                  buckets.c_str(), r.step.seconds * 1e3, speedup, efficiency * 100, share * 100, r.speed());
  }
  if (!a.json && pays < rows.back().ranks)
    std::printf("       doubling pays up to %d node%s\n", pays, pays == 1 ? "" : "s");
  if (!a.json && pays == rows.back().ranks) std::printf("       doubling still pays at %d nodes\n", pays);
}

// Seconds of a training step by `trainer`, the least of a few: what else runs here only adds.
template <class Trainer>
double time_steps(Trainer& trainer, int batch, double seconds) {
  const auto& comm = trainer.communicator();
  const int first = batch * comm.rank() / comm.size(), mine = batch * (comm.rank() + 1) / comm.size() - first;
  const std::int64_t each = Trainer::model_type::the_plan.values[0].extents.elements();
  std::vector<float> values(static_cast<std::size_t>(mine * each));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(fc::random_unit({1, 0, std::uint32_t(comm.rank()), fc::random_use::test, 0}, i));
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(mine), 1);
  const fc::batch_view samples{values.data(), labels.data(), nullptr, mine, first};
  double best = 0, total = 0;
  for (int i = 0; i < 3 || (total < seconds && i < 50); ++i) {
    double together[1] = {};
    trainer.communicator().sum(together);
    const auto start = std::chrono::steady_clock::now();
    trainer.step(samples, batch);
    double slowest[1] = {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
    trainer.communicator().sum(slowest);  // the mean: every rank's step ends with the last gradient
    const double now = slowest[0] / comm.size();
    if (i == 1 || (i > 1 && now < best)) best = now;  // the first makes pages and connections
    total += now;
  }
  return best;
}

template <class Net, class Communicator, class Endpoint>
auto make_trainer(Endpoint&& endpoint, int batch, int threads) {
  return fc::trainer<Net, fc::sgd, Communicator, fc::cpu>{
      std::forward<Endpoint>(endpoint), {.batch = batch, .learning_rate = fc::lr::fixed{1e-6f}, .threads = threads}};
}

// Flop/s and half_batch of this CPU from the time of steps of few and of more samples, on all ranks at once, each
// training by itself.
template <class Net>
void measure_device(fc::machine& m, const subject& net, int threads, int few, int more) {
  double seconds[2];
  for (const int k : {0, 1}) {
    const int samples = k == 0 ? few : more;
    auto trainer = make_trainer<Net, fc::alone>(fc::alone{}, samples, threads);
    seconds[k] = std::max(time_steps(trainer, samples, 2) - net.bytes / m.add_rate * 5 / 3, 1e-9);
  }
  double each = (seconds[1] - seconds[0]) / (more - few);
  if (each * more > seconds[1] || each <= 0) each = seconds[1] / more;
  m.flops = net.flops() / each;
  m.half_batch = (seconds[1] - each * more) / each;
}

using together = fc::automatic<fc::mpi::transport>;

// One of the schedules that `automatic` chooses among, by its name.
fc::rehearsal rehearse(const fc::choice& how, const fc::node_map& nodes, std::size_t elements, bool whole) {
  const std::size_t segment = std::max<std::size_t>(how.segment_bytes / sizeof(float) / 64 * 64, 64);
  const auto as = [&]<class Algorithm>() { return fc::rehearse<Algorithm>(nodes, elements, segment, whole); };
  if (how.schedule == fc::ring_schedule::name) return as.operator()<fc::ring_schedule>();
  if (how.schedule == fc::tree_schedule::name) return as.operator()<fc::tree_schedule>();
  if (how.schedule == fc::double_tree_schedule::name) return as.operator()<fc::double_tree_schedule>();
  if (how.schedule == fc::recursive_doubling_schedule::name) return as.operator()<fc::recursive_doubling_schedule>();
  if (how.schedule == fc::direct_schedule::name) return as.operator()<fc::direct_schedule>();
  return as.operator()<fc::halving_doubling_schedule>();
}

// Trains on all ranks, and prints what the model says of the same.
template <class Net>
void check(const arguments& a, MPI_Comm world, const together& all, const fc::machine& m, const subject& net,
           int threads, int share) {
  auto trainer = make_trainer<Net, together>(world, share * all.size(), threads);
  const double measured = time_steps(trainer, share * all.size(), 10);
  const fc::node_map& nodes = trainer.communicator().nodes();
  const std::size_t bucket_bytes = std::max(std::size_t{1} << 20, static_cast<std::size_t>(net.bytes / 64));
  const fc::step_work work = net.step(m, share, bucket_bytes, true);
  std::vector<fc::rehearsal> steps;
  std::string how;
  bool symmetric = true;
  const auto chosen = [&](std::size_t b) {
    return trainer.communicator().chosen(static_cast<int>(std::min(b, trainer.buckets().size() - 1)));
  };
  for (std::size_t b = 0; b < work.buckets.size(); ++b) {
    symmetric &= steps.emplace_back(rehearse(chosen(b), nodes, work.buckets[b].elements, false)).symmetric();
    if (const std::string name(chosen(b).schedule); how.find(name) == std::string::npos)
      how += (b > 0 ? " " : "") + name;
  }
  for (std::size_t b = 0; b < steps.size() && !symmetric; ++b)
    steps[b] = rehearse(chosen(b), nodes, work.buckets[b].elements, true);
  const int window = trainer.communicator().options().window;
  const fc::step_cost predicted = fc::price_step(m, nodes, work, steps, sizeof(float), window);
  if (all.rank() > 0) return;
  std::printf(a.json
                  ? "{\"check\":\"%s\",\"ranks\":%d,\"batch\":%d,\"algorithms\":\"%s\",\"predicted_seconds\":%.6g,"
                    "\"predicted_compute\":%.6g,\"measured_seconds\":%.6g,\"predicted_over_measured\":%.4g}\n"
                  : "\n%s here, on %d ranks, batch %d, %s: predicted %.4g s (%.4g s without communication), measured "
                    "%.4g s, ratio %.3f\n",
              a.net.c_str(), all.size(), share * all.size(), how.c_str(), predicted.seconds, predicted.compute,
              measured, predicted.seconds / measured);
}

template <class Net>
void plan(const arguments& a, MPI_Comm world, int few, int more) {
  const subject net{fc::work_of<Net>(), &fc::buckets_of<Net, fc::no_device>,
                    4.0 * static_cast<double>(fc::parameter_count<Net>)};
  const bool measures = a.flops <= 0 && a.images <= 0;
  together all{world};
  fc::machine here = all.measured();
  here.eager_bytes = 64 << 10;  // as MPI libraries do over TCP
  const int threads = fc::cpu::for_rank(all.node_rank(), all.node_size(), a.threads).threads();
  std::vector<interconnect> links = catalogue;
  if (all.nodes().nodes() > 1) links = {{"measured", here.network, here.message_seconds}};
  fc::machine device = here;
  device.flops = a.flops > 0 ? a.flops : a.images * net.flops();
  device.half_batch = a.half_batch;
  if (measures || a.check) {
    fc::machine cpu = here;
    measure_device<Net>(cpu, net, threads, few, more);
    double rates[2] = {cpu.flops, cpu.half_batch};
    all.sum(rates);
    cpu.flops = rates[0] / all.size(), cpu.half_batch = rates[1] / all.size();
    if (a.check) check<Net>(a, world, all, cpu, net, threads, more);
    if (measures) device = cpu;
  }
  if (a.add_rate > 0) device.add_rate = a.add_rate;
  if (all.rank() > 0) return;

  if (!a.json)
    std::printf(
        "%s: %.1f MB of gradients, %.3g flop per sample trained\ndevice (%s): %.4g flop/s at large batches, half of "
        "that at %.3g samples: %.4g samples/s alone; adds at %.3g B/s\n",
        a.net.c_str(), net.bytes / 1e6, net.flops(), measures ? "this CPU, measured" : "as described", device.flops,
        device.half_batch, a.batch / (a.batch * net.flops() / device.rate(a.batch)), device.add_rate);
  const fc::step_work alone = net.step(device, a.batch, SIZE_MAX / 2, measures);
  std::vector<std::vector<row>> tables(links.size(), {row{1, a.batch, nullptr, {alone.compute(), alone.compute()}}});
  std::vector<std::vector<way>> all_ways;
  for (int ranks = 2; ranks <= std::min(a.ranks, a.batch); ranks *= 2) {
    all_ways.push_back(ways(net, fc::node_map::even(ranks, 1)));
    for (std::size_t l = 0; l < links.size(); ++l) {
      fc::machine m = device;
      m.network = links[l].link, m.message_seconds = links[l].message_seconds;
      tables[l].push_back(best_row(net, m, all_ways.back(), a, ranks, measures));
    }
    for (way& w : all_ways.back()) w.buckets.clear();
  }
  for (std::size_t l = 0; l < links.size(); ++l) print(a, links[l], tables[l], tables[l][0].speed());
}

int main(int argc, char** argv) try {
  const arguments a = parse(argc, argv);
  if (a.batch < 1 || a.ranks < 1 || a.gain <= 1)
    throw fc::usage_error("--batch and --ranks must be at least 1, --gain above 1");
  fc::mpi::session session{argc, argv};
  if (a.net == "lenet")
    plan<fc::zoo::lenet>(a, session.world(), 16, 64);
  else if (a.net == "nin")
    plan<fc::zoo::nin>(a, session.world(), 2, 8);
  else if (a.net == "googlenet")
    plan<fc::zoo::googlenet>(a, session.world(), 2, 8);
  else
    throw fc::usage_error("there is no network '" + a.net + "': lenet, nin or googlenet");
} catch (const std::exception& e) {
  std::fprintf(stderr, "plan_cluster: %s\n", e.what());
  return 1;
}
