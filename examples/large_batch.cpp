// Bigger batches, same accuracy: trains LeNet on Fashion-MNIST at batch 64 and at larger ones, for the same number of
// epochs: with everything else left as it was, and by a recipe of firecaffe/solvers/large_batch.hpp.
//   build/examples/large_batch --plot large_batch.svg
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <firecaffe/cpu.hpp>
#include <firecaffe/observe/output_file.hpp>
#include <string>
#include <vector>

namespace fc = firecaffe;

struct lenet : fc::network<fc::input<1, 28, 28>,                                                     //
                           fc::conv<20, fc::kernel<5>>, fc::max_pool<fc::kernel<2>, fc::stride<2>>,  //
                           fc::conv<50, fc::kernel<5>>, fc::max_pool<fc::kernel<2>, fc::stride<2>>,  //
                           fc::dense<500>, fc::relu,                                                 //
                           fc::dense<10>, fc::accuracy<>, fc::softmax_loss> {};

struct arguments {
  std::string folder = "/usr/share/datasets/fashion-mnist", json, plot;
  int epochs = 15, threads = 0, validation = 0;
  std::vector<int> batches{64, 512, 1024, 4096};
  std::vector<unsigned> seeds{1, 2, 3};
  std::vector<std::string> ways{"base", "naive", "recipe"};
  // At batch 64. Chosen with --validation 10000 and the seeds 11 to 13, so that the test set had no part in it.
  float rate = 0.02f, recipe_rate = 0.0045f, recipe_decay = 0.3f;
  bool wants(const char* way) const { return std::find(ways.begin(), ways.end(), way) != ways.end(); }
};

constexpr int small_batch = 64;

// What works at batch 64: the solver of Caffe's LeNet, the rate falling to nothing over the run.
fc::recipe<fc::sgd> small_recipe(const arguments& a, std::int64_t samples) {
  return {small_batch,
          {.momentum = 0.9f, .weight_decay = 5e-4f},
          fc::lr::poly{.base = a.rate, .power = 1, .iterations = samples / small_batch}};
}

// At any other: everything as it was.
fc::recipe<fc::sgd> naive_recipe(const arguments& a, int batch, std::int64_t samples) {
  return fc::large_batch::scaled(small_recipe(a, samples), batch / small_batch, 1, 0, 0);
}

// Or by a rule, the same at every batch: LAMB, whose rate grows as the root of the batch, behind one epoch's warmup.
// Few, large batches leave LAMB little time to average squares over: beta2 is 0.98. Biases adapt, as all else does.
fc::recipe<fc::lamb> large_recipe(const arguments& a, int batch, std::int64_t samples, std::int64_t epoch) {
  const fc::lamb solver{.beta2 = 0.98f, .weight_decay = a.recipe_decay, .exclude_vectors = false};
  return fc::large_batch::sqrt_scaling(fc::large_batch::with_solver(small_recipe(a, samples), solver, a.recipe_rate),
                                       batch / small_batch, epoch);
}

// A line of the table: accuracies in per cent, one for each seed.
struct row {
  int batch;
  const char* way;
  double rate;  // at its highest
  std::vector<double> accuracies;
  double mean() const {
    double sum = 0;
    for (const double a : accuracies) sum += a;
    return sum / double(accuracies.size());
  }
};

// printf into a string
[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char out[512];
  va_list list;
  va_start(list, format);
  std::vsnprintf(out, sizeof out, format, list);
  va_end(list);
  return out;
}

const char* measured_name(const arguments& a) { return a.validation > 0 ? "validation" : "test"; }

class experiment {
 public:
  explicit experiment(const arguments& a)
      : arguments_(a),
        json_(a.json),
        images_(a.folder + "/train-images-idx3-ubyte", a.folder + "/train-labels-idx1-ubyte", pixels),
        others_(a.folder + "/t10k-images-idx3-ubyte", a.folder + "/t10k-labels-idx1-ubyte", pixels),
        train_(images_, 0, images_.size() - std::min(std::size_t(a.validation), images_.size())),
        measured_(a.validation > 0 ? fc::data::subset(images_, train_.size(), images_.size())
                                   : fc::data::subset(others_, 0, others_.size())) {}

  std::vector<row> run() {
    const auto epoch = std::int64_t(train_.size()), samples = epoch * arguments_.epochs;
    std::vector<row> rows;
    if (arguments_.wants("base")) rows.push_back(run("base", small_recipe(arguments_, samples)));
    for (const int batch : arguments_.batches) {
      if (arguments_.wants("naive") && batch != small_batch)
        rows.push_back(run("naive", naive_recipe(arguments_, batch, samples)));
      if (arguments_.wants("recipe")) rows.push_back(run("recipe", large_recipe(arguments_, batch, samples, epoch)));
    }
    return rows;
  }

 private:
  // Pixels of mean 0 and deviation 1.
  static constexpr fc::data::idx_options pixels{.scale = 1.0f / 90, .mean = 73, .classes = 10};

  template <class Solver>
  row run(const char* way, const fc::recipe<Solver>& r) {
    row out{r.batch, way, highest(r), {}};
    for (const unsigned seed : arguments_.seeds) out.accuracies.push_back(train(way, r, seed));
    return out;
  }

  template <class Solver>
  double highest(const fc::recipe<Solver>& r) const {
    double rate = 0;
    const std::int64_t steps = std::int64_t(train_.size()) * arguments_.epochs / r.batch;
    for (std::int64_t i = 0; i < steps; ++i) rate = std::max(rate, r.learning_rate(i));
    return rate;
  }

  // Passes of at most 256 samples whose gradients are added up: the same step in less memory.
  template <class Solver>
  double train(const char* way, const fc::recipe<Solver>& r, unsigned seed) {
    const int passes = r.batch % 256 == 0 ? r.batch / 256 : 1;
    fc::trainer<lenet, Solver, fc::alone, fc::cpu> trainer{fc::alone{},
                                                           {.batch = r.batch / passes,
                                                            .iter_size = passes,
                                                            .solver = r.solver,
                                                            .learning_rate = r.learning_rate,
                                                            .seed = seed,
                                                            .threads = arguments_.threads}};
    struct {
      std::string name;
      int epochs;
      double loss = 0;
      void on(const fc::step_event&) {}
      void on(const fc::epoch_event& e) { loss = e.loss; }
      void on(const fc::evaluation_event& e) {
        std::fprintf(stderr, "%s: epoch %d of %d, loss %.4f, accuracy %.2f %%\n", name.c_str(), e.epoch, epochs, loss,
                     100 * e.metrics[0].value);
      }
    } progress{text("batch %d, %s, seed %u", r.batch, way, seed), arguments_.epochs};
    const fc::stopwatch watch;
    double accuracy = 0;
    try {
      accuracy = 100 * trainer.fit(train_, measured_, {.epochs = arguments_.epochs}, progress).metrics[0].value;
    } catch (const fc::numeric_error& e) {  // a rate that is too high is a result too: what the network then knows
      std::fprintf(stderr, "%s: %s\n", progress.name.c_str(), e.what());
      accuracy = 100 * trainer.evaluate(measured_).metrics[0].value;
    }
    json_.put(
        text("{\"batch\": %d, \"way\": \"%s\", \"solver\": \"%s\", \"rate\": %.6f, \"weight_decay\": %.5f, \"seed\": "
             "%u, \"epochs\": %d, \"updates\": %lld, \"train_loss\": %.5f, \"set\": \"%s\", \"accuracy\": %.4f, "
             "\"seconds\": %.1f}\n",
             r.batch, way, Solver::name, highest(r), double(r.solver.weight_decay), seed, arguments_.epochs,
             static_cast<long long>(trainer.iteration()), progress.loss, measured_name(arguments_), accuracy / 100,
             watch.seconds()));
    json_.flush();
    return accuracy;
  }

  const arguments& arguments_;
  fc::observe::output_file json_;
  fc::data::idx images_, others_;
  fc::data::subset<fc::data::idx> train_, measured_;
};

void print(const std::vector<row>& rows, const arguments& a) {
  std::printf("LeNet on Fashion-MNIST, %d epochs: %s accuracy in %%\n%6s %-7s %8s %7s %7s ", a.epochs, measured_name(a),
              "batch", "", "rate", "mean", "to base");
  for (const unsigned seed : a.seeds) std::printf(" seed %-3u", seed);
  for (const row& r : rows) {
    std::printf("\n%6d %-7s %8.4f %7.2f ", r.batch, r.way, r.rate, r.mean());
    a.wants("base") ? std::printf("%+7.2f ", r.mean() - rows[0].mean()) : std::printf("%7s ", "");
    for (const double accuracy : r.accuracies) std::printf(" %-8.2f", accuracy);
  }
  std::printf("\n");
}

// Accuracy against the batch, on a logarithmic axis: a point for each seed, lines through the means.
std::string plot(const std::vector<row>& rows, const arguments& a) {
  const double left = 64, right = 600, top = 40, bottom = 320;
  double low = 100, high = 0;
  int most = small_batch;
  for (const row& r : rows) {
    most = std::max(most, r.batch);
    for (const double accuracy : r.accuracies) low = std::min(low, accuracy), high = std::max(high, accuracy);
  }
  const double step = high - low > 40 ? 10 : high - low > 15 ? 5 : high - low > 6 ? 2 : 1;
  low = std::floor(low / step) * step, high = std::ceil(high / step) * step + (high == low ? step : 0);
  const double octaves = std::max(1.0, std::log2(double(most) / small_batch));
  const auto x = [&](int batch) {
    return left + 20 + (right - left - 40) * std::log2(double(batch) / small_batch) / octaves;
  };
  const auto y = [&](double accuracy) { return bottom - (bottom - top) * (accuracy - low) / (high - low); };

  std::string svg = text(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 390\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"640\" height=\"390\" fill=\"white\"/>\n"
      "<text x=\"%g\" y=\"24\">LeNet on Fashion-MNIST, %d epochs: %s accuracy (%%) against batch</text>\n",
      left, a.epochs, measured_name(a));
  for (double v = low; v <= high + step / 2; v += step)
    svg += text("<path d=\"M%g %.1fH%g\" stroke=\"#ddd\"/><text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                left, y(v), right, left - 8, y(v) + 4, v);
  if (a.wants("base"))
    svg += text("<path d=\"M%g %.1fH%g\" stroke=\"#555\" stroke-dasharray=\"5 4\"/>\n", left, y(rows[0].mean()), right);
  svg += text("<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%d</text>\n", x(small_batch), bottom + 20, small_batch);
  for (const int batch : a.batches)
    if (batch != small_batch)
      svg += text("<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%d</text>\n", x(batch), bottom + 20, batch);

  struct series {
    const char *way, *colour, *label;
  };
  double legend = left;
  for (const series& s : {series{"base", "#555", "batch 64"}, series{"naive", "#c33", "larger, same rate"},
                          series{"recipe", "#06c", "by the recipe"}}) {
    std::string line;
    for (const row& r : rows) {
      if (std::string(r.way) != s.way) continue;
      line += text("%c%.1f %.1f", line.empty() ? 'M' : 'L', x(r.batch), y(r.mean()));
      for (const double accuracy : r.accuracies)
        svg += text("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\" fill-opacity=\"0.6\"/>\n", x(r.batch),
                    y(accuracy), s.colour);
    }
    if (line.empty()) continue;
    svg += text("<path d=\"%s\" stroke=\"%s\" stroke-width=\"2\" fill=\"none\"/>\n", line.c_str(), s.colour);
    svg += text("<circle cx=\"%g\" cy=\"364\" r=\"4\" fill=\"%s\"/><text x=\"%g\" y=\"368\">%s</text>\n", legend + 6,
                s.colour, legend + 16, s.label);
    legend += 60 + 7.0 * double(std::string(s.label).size());
  }
  return svg + "</svg>\n";
}

int main(int argc, char** argv) try {
  arguments a;
  CLI::App app{
      "Trains LeNet on Fashion-MNIST at batch 64 and at larger ones, for the same number of epochs: with everything "
      "else left as it was, and by a recipe for large batches. Prints a table."};
  app.option_defaults()->always_capture_default();
  app.add_option("folder", a.folder, "the four IDX files (train-images-idx3-ubyte and so on, plain or .gz)");
  app.add_option("--epochs", a.epochs, "passes over the training set")->check(CLI::Range(1, 10000));
  app.add_option("--batches", a.batches, "multiples of 64: at 64, the recipe beside the base")
      ->check(CLI::Range(small_batch, 1 << 20));
  app.add_option("--seeds", a.seeds, "of weights and shuffles: each is a run");
  app.add_option("--ways", a.ways, "which of the three to run")->check(CLI::IsMember({"base", "naive", "recipe"}));
  app.add_option("--validation", a.validation,
                 "hold out so many training images and measure on them, not on the test set: to choose the rates by")
      ->check(CLI::Range(0, 59999));
  app.add_option("--rate", a.rate, "of base and naive: SGD's, at batch 64");
  app.add_option("--recipe-rate", a.recipe_rate, "of the recipe: LAMB's, at batch 64");
  app.add_option("--recipe-decay", a.recipe_decay, "LAMB's weight decay");
  app.add_option("--threads", a.threads, "0: as many as there are cores")->check(CLI::Range(0, 4096));
  app.option_defaults()->always_capture_default(false);
  app.add_option("--json", a.json, "a file for one JSON object per run");
  app.add_option("--plot", a.plot, "a file for the plot, as SVG");
  CLI11_PARSE(app, argc, argv);
  for (const int batch : a.batches)
    if (batch % small_batch != 0)
      throw fc::usage_error("--batches: " + std::to_string(batch) + " is no multiple of 64");
  if (!a.wants("base") && !a.wants("recipe") && a.batches == std::vector{small_batch})
    throw fc::usage_error("nothing to run: at batch 64 naive is base");

  fc::observe::output_file svg(a.plot);
  const std::vector<row> rows = experiment(a).run();
  print(rows, a);
  svg.put(plot(rows, a));
  svg.flush();
} catch (const std::exception& e) {
  std::fprintf(stderr, "large_batch: %s\n", e.what());
  return 1;
}
