// Trains a network of the zoo on images, on all ranks it is started with:
//   mpirun -n 2 build/examples/imagenet --net googlenet --train lmdb:ilsvrc12_train_lmdb --val lmdb:ilsvrc12_val_lmdb
#include <CLI/CLI.hpp>
#include <cstdio>
#include <firecaffe/comm/mpi_session.hpp>
#include <firecaffe/core/error.hpp>
#include <firecaffe/solvers/lr/policies.hpp>

#include "imagenet/any_communicator.hpp"
#include "imagenet/settings.hpp"

namespace fc = firecaffe;

fc::lr::policy learning_rate(const settings& s, long long iterations) {
  const auto warmed = [&](auto policy) -> fc::lr::policy {
    if (s.warmup == 0) return policy;
    return fc::lr::warmup<decltype(policy)>{.then = policy, .from = s.rate / float(s.warmup), .over = s.warmup};
  };
  if (s.policy == "fixed") return warmed(fc::lr::fixed{s.rate});
  if (s.policy == "step") {
    if (s.at.size() != 1) throw fc::usage_error("--policy step needs --at N, every how many iterations the rate falls");
    return warmed(fc::lr::step{.base = s.rate, .gamma = s.gamma, .every = s.at[0]});
  }
  if (s.policy == "multistep")
    return warmed(fc::lr::multistep{.base = s.rate, .gamma = s.gamma, .at = {s.at.begin(), s.at.end()}});
  if (s.policy == "poly") return warmed(fc::lr::poly{.base = s.rate, .power = s.power, .iterations = iterations});
  if (s.policy == "cosine") return warmed(fc::lr::cosine{.base = s.rate, .iterations = iterations});
  if (s.policy == "inv") return warmed(fc::lr::inv{.base = s.rate, .gamma = s.gamma, .power = s.power});
  if (s.policy == "exp") return warmed(fc::lr::exp{.base = s.rate, .gamma = s.gamma});
  throw fc::usage_error("no learning-rate policy is called " + s.policy);
}

static const zoo_net& find_net(const std::string& name) {
  for (std::size_t i = 0; i < zoo_net_count; ++i)
    if (name == zoo_nets[i]->name) return *zoo_nets[i];
  throw fc::usage_error("no network is called " + name);
}

static std::string nets() {
  std::string out;
  for (std::size_t i = 0; i < zoo_net_count; ++i) out += (i > 0 ? ", " : "") + std::string(zoo_nets[i]->name);
  return out;
}

static void add_options(CLI::App& app, settings& s, bool& summary) {
  app.add_option("--net", s.net, "a network of the zoo: " + nets())->capture_default_str();
  app.add_flag("--summary", summary, "print the network's table and end");
  app.add_option("--communicator", s.communicator, "how gradients are summed: " + any_communicator::names())
      ->capture_default_str();

  auto* data = app.add_option_group("Data");
  data->add_option("--train", s.train, "what to learn from, KIND:PLACE, see below");
  data->add_option("--val", s.validation, "what to evaluate on after every epoch, KIND:PLACE");
  data->add_option("--augment", s.augment,
                   "resized: random parts of 8 to 100 % of the area, resized; crop: random crops of images that "
                   "were resized to a square of --resize, as Caffe does")
      ->check(CLI::IsMember({"resized", "crop"}))
      ->capture_default_str();
  data->add_option("--resize", s.resize,
                   "the side that images are resized to: the shorter one for the centre crops of evaluation, both with "
                   "--augment crop (0: they are not)")
      ->capture_default_str();
  data->add_flag("--mirror,!--no-mirror", s.mirror, "mirror every other image (default)");
  data->add_flag("--bgr", s.bgr, "channels as Caffe's published models want them, not r, g, b");
  data->add_option("--mean", s.mean, "subtracted from each channel (123,117,104 in r, g, b; 0 for grey images)")
      ->delimiter(',');
  data->add_option("--mean-file", s.mean_file, "Caffe's mean image (.binaryproto), subtracted before --scale");
  data->add_option("--scale", s.scale, "values are scale * (pixel - mean)")->capture_default_str();
  data->add_option("--decode-threads", s.decode_threads, "of each rank, ahead of the training")->capture_default_str();
  data->add_option("--ahead", s.ahead, "batches that may lie ready")->capture_default_str();

  auto* training = app.add_option_group("Training");
  training->add_option("--batch", s.batch, "images of one pass, on all ranks together")->capture_default_str();
  training->add_option("--iter-size", s.iter_size, "passes of one update")->capture_default_str();
  training->add_option("--epochs", s.epochs, "passes over the training set");
  training->add_option("--iterations", s.iterations, "updates, in place of --epochs");
  training->add_option("--rate", s.rate, "the learning rate at the start")->capture_default_str();
  training->add_option("--policy", s.policy, "fixed, step, multistep, poly, cosine, inv or exp")->capture_default_str();
  training->add_option("--gamma", s.gamma, "of step, multistep, inv, exp")->capture_default_str();
  training->add_option("--power", s.power, "of poly, inv")->capture_default_str();
  training->add_option("--at", s.at, "step: iterations between falls; multistep: the iterations of the falls")
      ->delimiter(',');
  training->add_option("--warmup", s.warmup, "iterations in which the rate rises to what the policy says");
  training->add_option("--momentum", s.momentum)->capture_default_str();
  training->add_option("--decay", s.decay, "weight decay")->capture_default_str();
  training->add_option("--clip", s.clip, "the largest norm of the gradients; 0: any");
  training->add_option("--threads", s.threads, "of each rank; 0: its share of the node's cores")->capture_default_str();
  training->add_option("--seed", s.seed, "of weights, shuffles, crops and dropout")->capture_default_str();
  training->add_option("--metrics", s.metrics, "a file for one JSON object per line: steps, epochs, evaluations");
  app.footer("Kinds of data:\n" + data_kinds() +
             "The large-batch settings of the FireCaffe paper: --net googlenet --batch 1024 --rate 0.08 --policy poly "
             "--power 0.5;\n--net nin --batch 1024 --rate 0.04 --policy step --at 25000.");
}

static void check(const settings& s) {
  if (s.train.empty()) throw fc::usage_error("--train KIND:PLACE says what to learn from; --help lists the kinds");
  if (s.epochs < 1 && s.iterations < 1) throw fc::usage_error("say how long to train: --epochs N or --iterations N");
  if (s.epochs > 0 && s.iterations > 0) throw fc::usage_error("--epochs and --iterations exclude one another");
  if (s.batch < 1 || s.iter_size < 1) throw fc::usage_error("--batch and --iter-size must be at least 1");
  if (s.warmup < 0 || s.resize < 0) throw fc::usage_error("--warmup and --resize must not be negative");
}

int main(int argc, char** argv) {
  settings s;
  bool summary = false;
  CLI::App app{"Trains a network of the zoo on images, by synchronous data parallelism on all ranks of mpirun."};
  add_options(app, s, summary);
  CLI11_PARSE(app, argc, argv);
  try {
    const zoo_net& net = find_net(s.net);
    if (summary) {
      std::fputs(net.summary(s.batch).c_str(), stdout);
      return 0;
    }
    check(s);
    fc::mpi::session session{argc, argv};
    const auto training = open_data(s.train, s, net.input, net.classes, true);
    if (s.validation.empty()) {
      net.train(s, training, nullptr, session.world());
    } else {
      const auto validation = open_data(s.validation, s, net.input, net.classes, false);
      net.train(s, training, &validation, session.world());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "imagenet: %s\n", e.what());
    return 1;
  }
}
