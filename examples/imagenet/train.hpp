#pragma once

#include <cstdio>
#include <firecaffe/cpu.hpp>
#include <firecaffe/firecaffe.hpp>

#include "any_communicator.hpp"
#include "settings.hpp"

namespace fc = firecaffe;

template <class Net>
constexpr fc::shape input_of = fc::graph_of<Net>.values[0];
template <class Net>
constexpr int classes_of = fc::memory_plan<Net, fc::cpu>::classes;

template <class Net>
std::string summary_of(int batch) {
  return fc::summary<Net, fc::cpu>(batch);
}

template <class Net>
void train(const settings& s, const fc::data::any_dataset& training, const fc::data::any_dataset* validation,
           MPI_Comm world) {
  const fc::data::sampler order(training.size(), {.batch = s.batch});
  const long long total = s.iterations > 0 ? s.iterations : s.epochs * order.steps_per_epoch() / s.iter_size;
  fc::trainer<Net, fc::sgd, any_communicator, fc::cpu> trainer{
      world,
      {.batch = s.batch,
       .iter_size = s.iter_size,
       .solver = {.momentum = s.momentum, .weight_decay = s.decay},
       .learning_rate = learning_rate(s, total),
       .clip = s.clip,
       .seed = s.seed,
       .threads = s.threads},
      s.communicator};
  const auto& ranks = trainer.communicator();
  if (ranks.rank() == 0) {
    std::printf(
        "%s, %lld parameters, %zu training images, %lld iterations of %d x %d images on %d rank(s) x %d "
        "thread(s), summed by %s\n",
        s.net.c_str(), static_cast<long long>(fc::parameter_count<Net>), training.size(), total, s.iter_size, s.batch,
        ranks.size(), trainer.network().device().threads(), s.communicator.c_str());
    std::fflush(stdout);
  }
  fc::observe::console console{ranks.rank()};
  fc::observe::metrics_file metrics{s.metrics, ranks.rank()};
  const fc::fit_options options{
      .epochs = s.epochs, .iterations = s.iterations, .prefetch = {.ahead = s.ahead, .threads = s.decode_threads}};
  const fc::stopwatch watch;
  const auto say_waits = [&] {
    if (ranks.rank() == 0)
      std::printf("of %.0f s, %.1f%% went by waiting for data and %.1f%% waiting for gradients\n", watch.seconds(),
                  100 * trainer.seconds_waited_for_data() / watch.seconds(),
                  100 * trainer.seconds_waited() / watch.seconds());
  };
  if (validation == nullptr) {
    trainer.fit(training, options, console, metrics);
    say_waits();
    return;
  }
  const fc::evaluation_event after_epoch = trainer.fit(training, *validation, options, console, metrics);
  say_waits();
  // A run that ends within an epoch has not been evaluated where it ended.
  const fc::evaluation_event last =
      after_epoch.iteration == trainer.iteration() ? after_epoch : trainer.evaluate(*validation, console, metrics);
  if (ranks.rank() != 0) return;
  std::printf("validation: loss %.4f", last.loss);
  for (const fc::metric& m : last.metrics) std::printf(", %s %.4f", m.name.c_str(), m.value);
  std::printf("\n");
}
