#include "experiments.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <type_traits>

#include "firecaffe/comm/codec.hpp"
#include "firecaffe/comm/communicator.hpp"
#include "firecaffe/comm/double_tree_schedule.hpp"
#include "firecaffe/comm/halving_doubling_schedule.hpp"
#include "firecaffe/comm/parameter_server_schedule.hpp"
#include "firecaffe/comm/ring_schedule.hpp"
#include "firecaffe/comm/tree_schedule.hpp"
#include "memory.hpp"
#include "transport.hpp"

namespace fc = firecaffe;

namespace simulate {

namespace {

template <class Algorithm, class Codec>
using communicator = fc::communicator<Algorithm, transport, Codec, clock, memory>;

// body(communicator) for the algorithm and codec of the options.
template <class Codec, class Body>
auto with_codec(const machine& m, const sum_options& o, MPI_Comm comm, std::size_t largest, Body body) {
  const auto go = [&](auto algorithm) {
    communicator<typename decltype(algorithm)::type, Codec> c(
        endpoint{comm, o.sends_at_once},
        fc::communicator_options{.segment_bytes = o.segment_bytes > 0 ? o.segment_bytes : largest + sizeof(double),
                                 .window = o.window,
                                 .timeout = std::chrono::hours(1000)},
        clock{}, memory(m.add_rate));
    return body(c);
  };
  if (o.algorithm == "server") return go(std::type_identity<fc::parameter_server_schedule<1>>{});
  if (o.algorithm == "tree") return go(std::type_identity<fc::tree_schedule>{});
  if (o.algorithm == "double_tree") return go(std::type_identity<fc::double_tree_schedule>{});
  if (o.algorithm == "ring") return go(std::type_identity<fc::ring_schedule>{});
  if (o.algorithm == "halving_doubling") return go(std::type_identity<fc::halving_doubling_schedule>{});
  throw fc::usage_error("there is no algorithm " + o.algorithm);
}

template <class Body>
auto with_communicator(const machine& m, const sum_options& o, MPI_Comm comm, std::size_t largest, Body body) {
  coded<fc::bf16>::rate = m.add_rate;
  return o.half ? with_codec<coded<fc::bf16>>(m, o, comm, largest, body)
                : with_codec<fc::raw>(m, o, comm, largest, body);
}

// The greatest of what the ranks say, who all run in one process.
class slowest {
 public:
  double of_all(double seconds) {
    seconds_ = std::max(seconds_, seconds);
    meet();
    return seconds_;
  }

 private:
  double seconds_ = 0;
};

std::span<float> numbers(std::size_t first, std::size_t count) {
  return {reinterpret_cast<float*>(address_range()) + first, count};
}

void check(int ranks) {
  if (ranks < 1) throw fc::usage_error("a simulation needs a rank");
}

}  // namespace

const std::vector<std::string>& algorithm_names() {
  static const std::vector<std::string> names{"server", "tree", "double_tree", "ring", "halving_doubling"};
  return names;
}

double allreduce_seconds(const machine& m, int ranks, std::size_t bytes, const sum_options& o) {
  check(ranks);
  slowest worst;
  return run(m, ranks,
             [&](MPI_Comm comm) {
               const double seconds = with_communicator(m, o, comm, bytes, [&](auto& c) {
                 const std::span<float> data = numbers(0, bytes / sizeof(float));
                 c.template prepare<float>(0, data.size());
                 meet();
                 const double begin = simulated_seconds();
                 c.start(0, data);
                 c.wait(0);
                 return simulated_seconds() - begin;
               });
               return std::vector<double>{worst.of_all(seconds)};
             })
      .at(0);
}

double gather_seconds(const machine& m, int ranks, std::size_t bytes) {
  check(ranks);
  slowest worst;
  return run(m, ranks,
             [&](MPI_Comm comm) {
               transport wire(endpoint{comm});
               meet();
               const double begin = simulated_seconds();
               std::vector<transport::request> requests;
               for (int r = 1; r < ranks; ++r) {
                 if (wire.rank() == 0) requests.push_back(wire.irecv(r, 0, address_range(), bytes));
                 if (wire.rank() == r) requests.push_back(wire.isend(0, 0, address_range(), bytes));
               }
               for (const transport::request r : requests)
                 while (!wire.test(r)) wire.idle();
               return std::vector<double>{worst.of_all(simulated_seconds() - begin)};
             })
      .at(0);
}

step_times training_step(const machine& m, int ranks, const workload& net, const step_options& o) {
  check(ranks);
  slowest worst;
  const double second_per_flop = o.compute_seconds / net.flops();
  std::vector<fc::bucket> buckets = o.overlap ? net.buckets(o.bucket_bytes) : std::vector<fc::bucket>{};
  if (buckets.empty()) buckets.push_back({0, net.parameters, 0});
  std::size_t largest = 0;
  for (const fc::bucket& b : buckets) largest = std::max(largest, (b.last - b.first) * sizeof(float));

  const std::vector<double> times = run(m, ranks, [&](MPI_Comm comm) {
    return with_communicator(m, o.sum, comm, largest, [&](auto& c) {
      for (std::size_t b = 0; b < buckets.size(); ++b)
        c.template prepare<float>(static_cast<int>(b), buckets[b].last - buckets[b].first);
      double begin = 0, waited = 0;
      constexpr int steps = 2;  // the first is not counted
      for (int step = 0; step < steps; ++step) {
        if (step == 1) begin = simulated_seconds(), waited = 0;
        double device = simulated_seconds();  // when it will be through with what it was given
        for (const firecaffe::op_work& op : net.ops) device += op.forward * second_per_flop;
        std::size_t next = 0;
        for (int i = static_cast<int>(net.ops.size()) - 1; i >= 0; --i) {
          device += net.ops[static_cast<std::size_t>(i)].backward * second_per_flop;
          if (i > 0 && (next == buckets.size() || buckets[next].ready_op != i)) continue;
          while (simulated_seconds() < device) {
            const bool pending = !c.progress();
            const double left = device - simulated_seconds();
            compute(pending ? std::min(o.poll_seconds, left) : left);
            if (pending) c.wire().look();
          }
          for (; next < buckets.size() && (buckets[next].ready_op == i || i == 0); ++next) {
            const std::size_t count = buckets[next].last - buckets[next].first;
            memory::pass(ranks > 1 ? count * sizeof(float) : 0, m.staging);
            c.start(static_cast<int>(next), numbers(buckets[next].first, count));
          }
        }
        const double done = simulated_seconds();
        c.wait_all();
        waited += simulated_seconds() - done;
        memory::pass(ranks > 1 ? net.bytes() : 0, m.staging);
        compute(o.update_seconds);
      }
      const double counted = steps - 1;
      return std::vector<double>{worst.of_all(simulated_seconds() - begin) / counted, waited / counted};
    });
  });
  return {times.at(0), times.at(1)};
}

}  // namespace simulate
