// Tables of training times.
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "experiments.hpp"
#include "machines.hpp"
#include "paper.hpp"
#include "report.hpp"
#include "tables.hpp"

namespace simulate {

namespace {

const workload& net_of(const std::string& name) {
  static std::map<std::string, workload> known;
  const auto found = known.find(name);
  return found != known.end() ? found->second : known.emplace(name, workload_named(name)).first->second;
}

const batch_curve& gpu_curve() {
  static const batch_curve curve = fit_batch_curve(titan_x_googlenet);
  return curve;
}

// A K20's forward and backward pass over `batch` samples: the paper's single GPU, less its update, moved along the
// curve measured for small batches. For nets that the paper lacks, by floating-point operations at GoogLeNet's rate.
double k20_seconds(const workload& net, double batch, const batch_curve& curve = gpu_curve()) {
  const bool known = net.name == "nin" || net.name == "googlenet";
  const paper_row& alone = single_gpu(known ? std::string_view(net.name) : "googlenet");
  const double seconds = curve.seconds(batch, {double(alone.batch), step_seconds_of(alone)});
  return known ? seconds : seconds * net.flops() / net_of("googlenet").flops();
}

// A candidate for how gradients are summed.
struct configuration {
  std::string name;
  sum_options sum;
  bool overlap = false;
  std::size_t bucket_bytes = 0;
};

double speedup_of(const workload& net, double batch, double step) {
  const paper_row& alone = single_gpu(net.name);
  return batch / step / (alone.batch / step_seconds_of(alone));
}

// The slowdown of a node that receives many messages at once is the server's matter. Elsewhere it is left out, as it
// makes SimGrid several times slower: a tree of 128 ranks, whose root has 7 children, took the same 0.4274 s either
// way.
step_times step_of(machine m, int ranks, const workload& net, int batch, const configuration& c,
                   const batch_curve& curve = gpu_curve()) {
  if (c.sum.algorithm != "server") m.incast_slowdown = 0;
  return training_step(m, ranks, net,
                       {.sum = c.sum,
                        .compute_seconds = k20_seconds(net, double(batch) / ranks, curve),
                        .overlap = c.overlap,
                        .bucket_bytes = c.bucket_bytes});
}

configuration unhidden(const std::string& algorithm, std::size_t segment = 0, int at_once = 0) {
  return {algorithm, {.algorithm = algorithm, .segment_bytes = segment, .window = 2, .sends_at_once = at_once}};
}

// Overlapped sums by the algorithms that send the least; `few` for curves of many points. The many messages of ring and
// double tree take minutes to simulate on 128 ranks of a torus, where both came out behind halving-doubling: 32 must
// do.
std::vector<configuration> overlapped(int ranks, bool few) {
  constexpr std::size_t small = 4 << 20, large = 16 << 20;
  std::vector<configuration> all{
      {"halving_doubling", {.algorithm = "halving_doubling"}, true, large},
      {"halving_doubling, bf16", {.algorithm = "halving_doubling", .half = true}, true, large}};
  if (few) return all;
  all.push_back({"halving_doubling", {.algorithm = "halving_doubling"}, true, small});
  if (ranks > 32) return all;
  all.push_back({"ring", {.algorithm = "ring"}, true, large});
  all.push_back({"double_tree", {.algorithm = "double_tree", .segment_bytes = 512 << 10, .window = 2}, true, large});
  return all;
}

struct outcome {
  configuration used;
  step_times times;
};

outcome best_of(const machine& m, int ranks, const workload& net, int batch, bool few = false) {
  std::optional<outcome> best;
  for (const configuration& c : overlapped(ranks, few)) {
    const step_times t = step_of(m, ranks, net, batch, c);
    if (!best || t.step < best->times.step) best = outcome{c, t};
  }
  return *best;
}

void describe(const workload& net) {
  const double gpu = 3.52e12;  // K20, single precision
  const paper_row& alone = single_gpu(net.name);
  std::fprintf(stderr,
               "%s: %.1f MB of weights, %.2f GFLOP a sample forward and backward; the paper's K20 %.2f TFLOP/s, %.0f "
               "%% of its peak\n",
               net.name.c_str(), double(net.bytes()) * 1e-6, net.flops() * 1e-9,
               net.flops() * alone.batch / step_seconds_of(alone) * 1e-12,
               100 * net.flops() * alone.batch / step_seconds_of(alone) / gpu);
}

}  // namespace

void paper_table() {
  const machine m = titan();
  const batch_curve& curve = gpu_curve();
  std::fprintf(stderr,
               "\nThe paper's table on the simulated Titan. Not fitted to it: only its single-GPU times are used.\n"
               "A GPU's efficiency on b samples is b / (b + %.1f), from GoogLeNet on a Titan X (measured from b = 16 "
               "on);\non a K40m it would be %.1f (Caffe) to %.1f (TensorFlow), from larger batches.\n",
               curve.half, fit_batch_curve(k40_caffe_googlenet).half, fit_batch_curve(k40_tensorflow_googlenet).half);
  for (const char* name : {"nin", "googlenet"}) describe(net_of(name));
  const std::vector<configuration> ways{unhidden("halving_doubling"),
                                        unhidden("tree", 256 << 10),
                                        {"tree, whole", unhidden("tree", 0, 1).sum},
                                        unhidden("server")};
  std::fprintf(stderr, "%-10s %5s %6s %9s %8s | %-16s %8s %8s %8s\n", "net", "K20s", "batch", "paper h", "speedup",
               "sum by", "hours", "error", "speedup");
  for (const paper_row& r : paper_rows) {
    const workload& net = net_of(std::string(r.net));
    for (const configuration& c : ways) {
      if (r.gpus == 1 && c.name != ways[0].name) continue;
      const step_times t = step_of(m, r.gpus, net, r.batch, c);
      const double hours = hours_of(t.step, r.epochs, r.batch), speedup = single_gpu(r.net).hours / hours;
      std::fprintf(stderr, "%-10s %5d %6d %9.1f %8.0f | %-16s %8.1f %+7.0f%% %8.1f\n", net.name.c_str(), r.gpus,
                   r.batch, r.hours, r.speedup, r.gpus == 1 ? "-" : c.name.c_str(), hours, 100 * (hours / r.hours - 1),
                   speedup);
      json_line("paper")
          .text("platform", m.name)
          .text("net", net.name)
          .text("algorithm", c.name)
          .number("gpus", r.gpus)
          .number("batch", r.batch)
          .number("epochs", r.epochs)
          .number("step_seconds", t.step)
          .number("waited_seconds", t.waited)
          .number("hours", hours)
          .number("speedup", speedup)
          .number("paper_hours", r.hours)
          .number("paper_speedup", r.speedup)
          .number("hours_error_percent", 100 * (hours / r.hours - 1))
          .print();
    }
  }
}

// How much hangs on the GPU's curve: the tree's rows again with those of the K40m.
void curve_table() {
  const machine m = titan();
  std::fprintf(stderr, "\nThe same by tree, with other curves of the GPU: hours (error)\n%-10s %5s %6s %9s", "net",
               "K20s", "batch", "paper h");
  const std::vector<std::pair<const char*, batch_curve>> curves{
      {"K40m Caffe", fit_batch_curve(k40_caffe_googlenet)},
      {"K40m TensorFlow", fit_batch_curve(k40_tensorflow_googlenet)}};
  for (const auto& [name, curve] : curves) std::fprintf(stderr, " %16s", name);
  std::fprintf(stderr, "\n");
  for (const paper_row& r : paper_rows) {
    if (r.gpus == 1) continue;
    const workload& net = net_of(std::string(r.net));
    std::fprintf(stderr, "%-10s %5d %6d %9.1f", net.name.c_str(), r.gpus, r.batch, r.hours);
    for (const auto& [name, curve] : curves) {
      const double hours =
          hours_of(step_of(m, r.gpus, net, r.batch, unhidden("tree", 256 << 10), curve).step, r.epochs, r.batch);
      std::fprintf(stderr, " %8.1f (%+4.0f%%)", hours, 100 * (hours / r.hours - 1));
      json_line("curves")
          .text("platform", m.name)
          .text("net", net.name)
          .text("curve", name)
          .number("half_batch", curve.half)
          .number("gpus", r.gpus)
          .number("batch", r.batch)
          .number("hours", hours)
          .number("paper_hours", r.hours)
          .number("hours_error_percent", 100 * (hours / r.hours - 1))
          .print();
    }
    std::fprintf(stderr, "\n");
  }
}

void best_table() {
  struct row {
    const char* net;
    int gpus, batch;
    double epochs;
  };
  const row rows[] = {{"nin", 32, 256, 47},        {"nin", 32, 1024, 47},       {"nin", 128, 1024, 47},
                      {"nin", 128, 4096, 47},      {"googlenet", 32, 1024, 72}, {"googlenet", 128, 1024, 72},
                      {"googlenet", 128, 4096, 72}};
  std::fprintf(stderr,
               "\nThe library's best configuration, sums overlapped with the backward pass. The paper shows no "
               "accuracy for batch 4096: its "
               "epochs are those of 1024.\n%-8s %-10s %5s %6s | %-22s %10s %10s %8s %8s | %8s %8s\n",
               "platform", "net", "GPUs", "batch", "best", "bucket MiB", "step ms", "hours", "speedup", "paper h",
               "speedup");
  for (const machine& m : {titan(), fdr_infiniband(), ten_gigabit_ethernet()})
    for (const row& r : rows) {
      if (m.shape != topology::torus && (r.gpus != 128 || r.batch != 1024)) continue;
      const workload& net = net_of(r.net);
      const outcome best = best_of(m, r.gpus, net, r.batch);
      const double hours = hours_of(best.times.step, r.epochs, r.batch);
      const paper_row* paper = nullptr;
      for (const paper_row& p : paper_rows)
        if (p.net == r.net && p.gpus == r.gpus && p.batch == r.batch) paper = &p;
      const double speedup = single_gpu(r.net).hours / hours;
      std::fprintf(stderr, "%-8s %-10s %5d %6d | %-22s %10zu %10.1f %8.2f %8.1f |", m.name.c_str(), r.net, r.gpus,
                   r.batch, best.used.name.c_str(), best.used.bucket_bytes >> 20, best.times.step * 1e3, hours,
                   speedup);
      if (paper != nullptr) std::fprintf(stderr, " %8.1f %8.0f", paper->hours, paper->speedup);
      std::fprintf(stderr, "\n");
      json_line line("best");
      line.text("platform", m.name)
          .text("net", r.net)
          .text("algorithm", best.used.name)
          .flag("overlap", true)
          .number("bucket_bytes", double(best.used.bucket_bytes))
          .number("gpus", r.gpus)
          .number("batch", r.batch)
          .number("epochs", r.epochs)
          .number("step_seconds", best.times.step)
          .number("waited_seconds", best.times.waited)
          .number("compute_seconds", k20_seconds(net, double(r.batch) / r.gpus))
          .number("hours", hours)
          .number("speedup", speedup);
      if (paper != nullptr) line.number("paper_hours", paper->hours).number("paper_speedup", paper->speedup);
      line.print();
    }
}

void scaling_table() {
  constexpr int batch = 1024;
  const workload& net = net_of("googlenet");
  std::fprintf(stderr, "\nSpeedup over one K20, %s, batch %d on all ranks together\n%-8s %6s %10s %10s %10s %10s\n",
               net.name.c_str(), batch, "platform", "ranks", "server", "tree", "ring", "overlap");
  for (const machine& m : {titan(), ten_gigabit_ethernet()})
    for (int ranks = 1; ranks <= 128; ranks *= 2) {
      std::vector<std::pair<std::string, outcome>> curves;
      for (const configuration& c : {unhidden("server"), unhidden("tree", 256 << 10), unhidden("ring")})
        curves.push_back({c.name, {c, step_of(m, ranks, net, batch, c)}});
      curves.push_back({"overlap", best_of(m, ranks, net, batch, true)});
      std::fprintf(stderr, "%-8s %6d", m.name.c_str(), ranks);
      for (const auto& [name, result] : curves) {
        const double speedup = speedup_of(net, batch, result.times.step);
        std::fprintf(stderr, " %10.1f", speedup);
        json_line("scaling")
            .text("platform", m.name)
            .text("net", net.name)
            .text("curve", name)
            .text("algorithm", result.used.name)
            .number("ranks", ranks)
            .number("batch", batch)
            .number("step_seconds", result.times.step)
            .number("speedup", speedup)
            .print();
      }
      std::fprintf(stderr, "  %s\n", ranks > 1 ? curves.back().second.used.name.c_str() : "");
    }
  // The paper's points, as throughput: its hours are for different numbers of epochs.
  for (const paper_row& r : paper_rows)
    if (r.net == net.name && r.batch == batch)
      json_line("scaling")
          .text("platform", "titan")
          .text("net", net.name)
          .text("curve", "paper")
          .text("algorithm", "tree")
          .number("ranks", r.gpus)
          .number("batch", r.batch)
          .number("step_seconds", step_seconds_of(r))
          .number("speedup", speedup_of(net, r.batch, step_seconds_of(r)))
          .print();
}

void single_table(const single_run& o) {
  const machine m = machine_named(o.platform);
  const workload& net = net_of(o.net);
  const configuration c{
      o.algorithm,
      {.algorithm = o.algorithm, .half = o.codec == "bf16", .segment_bytes = o.segment_bytes, .window = o.window},
      o.overlap,
      o.bucket_bytes};
  const step_times t = step_of(m, o.ranks, net, o.batch, c);
  const double alone = k20_seconds(net, double(o.batch) / o.ranks);
  std::fprintf(stderr,
               "%s on %s, %d ranks, batch %d, %s: step %.4f s, of it %.4f s computing, %.4f s waiting for sums\n",
               net.name.c_str(), m.name.c_str(), o.ranks, o.batch, o.algorithm.c_str(), t.step, alone, t.waited);
  json_line("single")
      .text("platform", m.name)
      .text("net", net.name)
      .text("algorithm", o.algorithm)
      .text("codec", o.codec)
      .flag("overlap", o.overlap)
      .number("ranks", o.ranks)
      .number("batch", o.batch)
      .number("bytes", double(net.bytes()))
      .number("step_seconds", t.step)
      .number("compute_seconds", alone)
      .number("waited_seconds", t.waited)
      .number("samples_per_second", o.batch / t.step)
      .print();
}

}  // namespace simulate
