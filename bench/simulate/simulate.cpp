// FireCaffe's clusters, simulated: the library's own communicators and executor under SimGrid.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "experiments.hpp"
#include "tables.hpp"

namespace {

constexpr const char* usage =
    "usage: simulate [--only TABLE] | simulate --single [options]\n"
    "  --only TABLE     formulas, titan, paper, curves, best or scaling (default: all of them)\n"
    "  --single         one training step of your choice:\n"
    "    --platform P     1gbe, 10gbe, fdr, titan (default)\n"
    "    --net NET        lenet, nin, googlenet (default)\n"
    "    --ranks N        one GPU each (default 32)\n"
    "    --batch N        of all ranks together (default 1024)\n"
    "    --algorithm A    server, tree, double_tree, ring (default), halving_doubling\n"
    "    --codec C        raw (default), bf16\n"
    "    --segment BYTES  pipelined unit (default 0: whole buckets)\n"
    "    --window N       segments under way per peer (default 2)\n"
    "    --overlap        start buckets as the backward pass finishes them\n"
    "    --bucket BYTES   size of these (default 8388608)\n"
    "  --help           this text\n"
    "Tables go to stderr, JSON lines to stdout: {benchmark: simulate, table, ...}, beside the paper's figures where "
    "it\n"
    "has them. Ends with status 1 when a formula is missed by more than 3 %.\n";

struct options {
  std::string only;
  bool single = false;
  simulate::single_run run;
};

long number(std::string_view name, const char* text, long least) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < least)
    throw std::invalid_argument(std::string(name) + " needs a number of at least " + std::to_string(least));
  return value;
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--single") {
      o.single = true;
      continue;
    }
    if (name == "--overlap") {
      o.run.overlap = true;
      continue;
    }
    const char* const value = i + 1 < argc ? argv[++i] : throw std::invalid_argument(std::string(name) + "?\n" + usage);
    if (name == "--only")
      o.only = value;
    else if (name == "--platform")
      o.run.platform = value;
    else if (name == "--net")
      o.run.net = value;
    else if (name == "--algorithm")
      o.run.algorithm = value;
    else if (name == "--codec")
      o.run.codec = value;
    else if (name == "--ranks")
      o.run.ranks = static_cast<int>(number(name, value, 1));
    else if (name == "--batch")
      o.run.batch = static_cast<int>(number(name, value, 1));
    else if (name == "--window")
      o.run.window = static_cast<int>(number(name, value, 1));
    else if (name == "--segment")
      o.run.segment_bytes = static_cast<std::size_t>(number(name, value, 0));
    else if (name == "--bucket")
      o.run.bucket_bytes = static_cast<std::size_t>(number(name, value, 1));
    else
      throw std::invalid_argument("unknown option " + std::string(name) + "\n" + usage);
  }
  if (o.run.codec != "raw" && o.run.codec != "bf16") throw std::invalid_argument("there is no codec " + o.run.codec);
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help") return std::fputs(usage, stdout) < 0;
  try {
    const options o = parse(argc, argv);
    if (o.single) {
      simulate::single_table(o.run);
      return 0;
    }
    const auto wanted = [&](std::string_view table) { return o.only.empty() || o.only == table; };
    bool any = false, good = true;
    if (wanted("formulas")) any = true, good = simulate::formula_table();
    if (wanted("titan")) any = true, simulate::titan_table();
    if (wanted("paper")) any = true, simulate::paper_table();
    if (wanted("curves")) any = true, simulate::curve_table();
    if (wanted("best")) any = true, simulate::best_table();
    if (wanted("scaling")) any = true, simulate::scaling_table();
    if (!any) throw std::invalid_argument("there is no table " + o.only + "\n" + usage);
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
