#pragma once

// LeNet on images in IDX files, for any device: lenet.cpp and lenet.cu name one.
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <firecaffe/firecaffe.hpp>
#include <firecaffe/mpi.hpp>
#include <firecaffe/observe/overlap.hpp>
#include <firecaffe/observe/trace.hpp>
#include <string>

namespace fc = firecaffe;

struct lenet : fc::network<fc::input<1, 28, 28>,                                                     //
                           fc::conv<20, fc::kernel<5>>, fc::max_pool<fc::kernel<2>, fc::stride<2>>,  //
                           fc::conv<50, fc::kernel<5>>, fc::max_pool<fc::kernel<2>, fc::stride<2>>,  //
                           fc::dense<500>, fc::relu,                                                 //
                           fc::dense<10>, fc::accuracy<>, fc::softmax_loss> {};

static_assert(fc::parameter_count<lenet> == 431'080);

struct arguments {
  std::string folder = "/usr/share/datasets/fashion-mnist", metrics, trace;
  int epochs = 5, batch = 64, threads = 0;
  float rate = 0.01f, momentum = 0.9f, decay = 5e-4f;
  unsigned long seed = 1;
};

constexpr const char* usage =
    "usage: lenet [options] [FOLDER]\n"
    "Trains LeNet on the four IDX files in FOLDER (train-images-idx3-ubyte and so on, plain or .gz).\n"
    "  --epochs N         passes over the training set (5)\n"
    "  --batch N          samples of one update, on all ranks together (64)\n"
    "  --rate X           learning rate at the start; it falls as Caffe's `inv` policy has it (0.01)\n"
    "  --momentum X       (0.9)\n"
    "  --decay X          weight decay (0.0005)\n"
    "  --threads N        of each rank, on the CPU; 0: its share of the node's cores (0)\n"
    "  --seed N           of weights and shuffles (1)\n"
    "  --metrics FILE     one JSON object per line for every step, epoch and evaluation\n"
    "  --trace FILE       what every rank did when, for Perfetto or chrome://tracing (the first thousand steps or "
    "so);\n"
    "                     a GPU then has its ops one by one, not as graphs, and is slower\n";

inline arguments parse(int argc, char** argv) {
  arguments a;
  const option options[] = {{"epochs", 1, nullptr, 'e'},   {"batch", 1, nullptr, 'b'},   {"rate", 1, nullptr, 'r'},
                            {"momentum", 1, nullptr, 'm'}, {"decay", 1, nullptr, 'd'},   {"threads", 1, nullptr, 't'},
                            {"seed", 1, nullptr, 's'},     {"metrics", 1, nullptr, 'o'}, {"trace", 1, nullptr, 'p'},
                            {"help", 0, nullptr, 'h'},     {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "h", options, nullptr)) != -1;) switch (c) {
      case 'e':
        a.epochs = std::stoi(optarg);
        break;
      case 'b':
        a.batch = std::stoi(optarg);
        break;
      case 'r':
        a.rate = std::stof(optarg);
        break;
      case 'm':
        a.momentum = std::stof(optarg);
        break;
      case 'd':
        a.decay = std::stof(optarg);
        break;
      case 't':
        a.threads = std::stoi(optarg);
        break;
      case 's':
        a.seed = std::stoul(optarg);
        break;
      case 'o':
        a.metrics = optarg;
        break;
      case 'p':
        a.trace = optarg;
        break;
      default:
        std::fputs(usage, c == 'h' ? stdout : stderr);
        std::exit(c == 'h' ? 0 : 2);
    }
  if (optind < argc) a.folder = argv[optind];
  return a;
}

template <class Device>
void train(const arguments& a, fc::mpi::session& session) {
  const fc::data::idx_options mnist{.classes = 10};
  const fc::data::idx train_set{a.folder + "/train-images-idx3-ubyte", a.folder + "/train-labels-idx1-ubyte", mnist};
  const fc::data::idx test_set{a.folder + "/t10k-images-idx3-ubyte", a.folder + "/t10k-labels-idx1-ubyte", mnist};

  fc::trainer<lenet, fc::sgd, fc::tree<fc::mpi::transport>, Device> trainer{
      session.world(),
      {.batch = a.batch,
       .solver = {.momentum = a.momentum, .weight_decay = a.decay},
       .learning_rate = fc::lr::inv{.base = a.rate, .gamma = 1e-4f, .power = 0.75f},
       .seed = a.seed,
       .threads = a.threads}};
  const int rank = trainer.communicator().rank();
  if (rank == 0) {
    std::printf("LeNet on %s: %zu training and %zu test images, %d rank(s) on %s, batch %d\n", a.folder.c_str(),
                train_set.size(), test_set.size(), trainer.communicator().size(), Device::name, a.batch);
    std::fflush(stdout);
  }

  fc::timeline log{a.trace.empty() ? 0u : 1u << 16};
  if (!a.trace.empty()) trainer.record_into(&log, &log);
  fc::observe::console console{rank};
  fc::observe::metrics_file metrics{a.metrics, rank};
  const fc::evaluation_event result = trainer.fit(train_set, test_set, {.epochs = a.epochs}, console, metrics);
  if (!a.trace.empty()) {
    const std::vector<std::string> ops = fc::op_names<lenet, Device>();
    fc::observe::write_trace(trainer.communicator(), a.trace, log, {.ops = ops});
    if (rank == 0) {
      const fc::observe::overlap o = fc::observe::measure_overlap(log);
      std::printf("%.0f%% of the communication of rank 0 went on behind its computing\n", 100 * o.fraction());
    }
  }
  if (rank == 0) std::printf("test accuracy %.4f\n", result.metrics[0].value);
}

template <class Device>
int run(int argc, char** argv) try {
  const arguments a = parse(argc, argv);
  fc::mpi::session session{argc, argv};
  train<Device>(a, session);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "lenet: %s\n", e.what());
  return 1;
}
