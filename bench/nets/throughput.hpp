#pragma once

// Training throughput of one network: forward, loss, backward, sum over the ranks, update, on random images in memory.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <firecaffe/firecaffe.hpp>
#include <firecaffe/mpi.hpp>
#include <string>
#include <vector>

#include "nets.hpp"
#include "work.hpp"

namespace fc = firecaffe;

// Memory that the device copies from best.
template <class Device>
auto host_values([[maybe_unused]] Device& device, std::size_t count) {
  if constexpr (Device::host_memory_is_device_memory)
    return std::vector<float>(count);
  else
    return device.template allocate_host<float>(count);
}

// Of what brings a batch to a device with memory of its own, when nothing else goes on.
template <class Model>
double seconds_of_load(Model& model, const float* values, int samples) {
  constexpr int times = 5;
  model.load(values, samples);
  model.device().synchronize();
  const fc::stopwatch watch;
  for (int i = 0; i < times; ++i) model.load(values, samples);
  model.device().synchronize();
  return watch.seconds() / times;
}

// The least time of a step as a fraction of the one it took; writes what it was formed of to `fields`. Where the peaks
// cannot be measured it says why, and is 0: what has been measured is not lost.
template <class Net, class Device, auto Peaks, class Model>
double compare_with_floor(Model& model, int samples, double seconds, std::string& fields) try {
  const machine_peaks reached = Peaks(model.device().ordinal());
  constexpr pass_work work = step_work<Net, Device, fc::sgd>;
  const double flops = samples * work.flops, bytes = work.bytes(samples);
  const double floor = std::max(flops / reached.flops, bytes / reached.bytes);
  char text[320];
  std::snprintf(text, sizeof text,
                ", \"matrix_flops_per_second\": %.4g, \"bandwidth_bytes_per_second\": %.4g, \"step_flops\": %.6g, "
                "\"step_bytes\": %.6g, \"floor_seconds\": %.6g, \"fraction_of_floor\": %.4f",
                reached.flops, reached.bytes, flops, bytes, floor, floor / seconds);
  fields += text;
  return floor / seconds;
} catch (const std::exception& e) {
  std::fprintf(stderr, "throughput: what the device reaches is not known: %s\n", e.what());
  return 0;
}

// `Peaks` measures what the device with some ordinal reaches; nullptr: nobody asks.
template <class Net, class Device, auto Peaks = nullptr>
void throughput(const throughput_arguments& a, fc::mpi::session& session) {
  using trainer_type = fc::trainer<Net, fc::sgd, fc::direct<fc::mpi::transport>, Device>;
  trainer_type trainer{session.world(),
                       {.batch = a.batch,
                        .solver = {.momentum = 0.9f, .weight_decay = 5e-4f},
                        .learning_rate = fc::lr::fixed{0.01f},
                        .threads = a.threads,
                        .graphs = a.graphs}};
  auto& comm = trainer.communicator();
  const fc::shape in = trainer_type::model_type::the_plan.values[0].extents;
  const int first = a.batch * comm.rank() / comm.size(), mine = a.batch * (comm.rank() + 1) / comm.size() - first;
  const std::size_t count = std::size_t(mine) * std::size_t(in.elements());
  auto values = host_values(trainer.network().device(), count);
  std::vector<std::int32_t> labels;
  labels.resize(std::size_t(mine));
  for (std::size_t i = 0; i < count; ++i)
    values.data()[i] = float(fc::random_unit({1, 0, std::uint32_t(comm.rank()), fc::random_use::test, 0}, i));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = std::int32_t((i + std::size_t(first)) % 10);
  const fc::batch_view batch{values.data(), labels.data(), nullptr, mine, first};

  // A device that records steps has replayed one when the clock starts.
  for (int i = 0; i < (fc::records_passes<Device> ? 3 : 1); ++i) trainer.step(batch, a.batch);
  // Every rank makes as many steps as rank 0 thinks right.
  fc::stopwatch watch;
  int tried = 0;
  do trainer.step(batch, a.batch), ++tried;
  while (comm.size() == 1 && tried < 5 && watch.seconds() < 1);
  double steps[1] = {comm.rank() == 0 ? std::max(1.0, std::floor(a.seconds / a.rounds * tried / watch.seconds()))
                                      : 0.0};
  comm.sum(steps);
  const int per_round = int(steps[0]);

  std::vector<double> seconds;
  const double waited = trainer.seconds_waited();
  fc::stopwatch whole;
  for (int r = 0; r < a.rounds; ++r) {
    fc::stopwatch round;
    for (int i = 0; i < per_round; ++i) {  // as fit() does it, with one step under way while the next is asked for
      trainer.begin(batch, a.batch);
      if (i > 0) trainer.settle();
    }
    trainer.settle();
    seconds.push_back(round.seconds() / per_round);
  }
  const double share = (trainer.seconds_waited() - waited) / whole.seconds();
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  rusage usage_now{};
  getrusage(RUSAGE_SELF, &usage_now);
  double peak[1] = {double(usage_now.ru_maxrss) * 1024};
  comm.sum(peak);
  std::string more;  // fields
  if constexpr (fc::records_passes<Device>) more += a.graphs ? ", \"graphs\": true" : ", \"graphs\": false";
  if constexpr (!Device::host_memory_is_device_memory) {
    const double alone = seconds_of_load(trainer.network(), values.data(), mine);
    more += ", \"input_copy_seconds\":" + fc::number_text(alone);
  }
  double fraction = 0;
  if constexpr (!std::is_null_pointer_v<decltype(Peaks)>) {
    // Ranks may share a device: it is rank 0's alone while the others wait for the second sum.
    double together[1] = {0};
    comm.sum(together);
    if (comm.rank() == 0) fraction = compare_with_floor<Net, Device, Peaks>(trainer.network(), mine, median, more);
    comm.sum(together);
  }
  if (comm.rank() != 0) return;
  std::printf(
      "{\"benchmark\": \"throughput\", \"net\": \"%s\", \"device\": \"%s\", \"batch\": %d, \"threads\": %d, \"ranks\": "
      "%d, "
      "\"images_per_second\": %.1f, \"images_per_second_min\": %.1f, \"images_per_second_max\": %.1f, "
      "\"seconds_per_step\": %.6g, \"seconds_per_step_min\": %.6g, \"seconds_per_step_max\": %.6g, "
      "\"rounds\": %d, \"steps_per_round\": %d, \"waited_for_gradients\": %.4f, \"planned_bytes\": %zu, "
      "\"peak_rss_bytes\": %.0f%s}\n",
      a.net.c_str(), Device::name, a.batch, a.threads, comm.size(), a.batch / median, a.batch / seconds.back(),
      a.batch / seconds.front(), median, seconds.front(), seconds.back(), a.rounds, per_round, share,
      fc::memory_plan<Net, Device>::bytes(trainer.network().capacity()), peak[0], more.c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "%-10s %-5s batch %4d  %d rank(s) x %d thread(s)  %9.1f images/s [%.1f .. %.1f]  %.1f MiB",
               a.net.c_str(), Device::name, a.batch, comm.size(), a.threads, a.batch / median, a.batch / seconds.back(),
               a.batch / seconds.front(), peak[0] / (1 << 20));
  if (fraction > 0) std::fprintf(stderr, "  %.2f of the least time", fraction);
  std::fprintf(stderr, "\n");
}
