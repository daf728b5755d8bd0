#pragma once

// What bench/allreduce measures: every algorithm on every transport, under one signature.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firecaffe/comm/algorithms.hpp"
#include "firecaffe/comm/automatic.hpp"
#include "firecaffe/comm/mpi_allreduce.hpp"
#include "firecaffe/comm/mpi_transport.hpp"
#include "firecaffe/mpi.hpp"
#ifdef FIRECAFFE_BENCH_GLOO
#include "gloo_ring.hpp"
#endif

namespace bench {

namespace fc = firecaffe;

struct contender {
  std::string algorithm, transport;
  std::size_t segment_bytes = 0;  // 0 and 0 where it has none
  int window = 0;
  std::span<float> memory;                   // of the largest size, where the transport wants its own; else the bench's
  std::function<void(std::size_t)> prepare;  // for sums of so many elements
  std::function<void(std::span<float>)> sum;
  std::function<std::string()> chosen;  // where it chose an algorithm: which, for what was prepared
};

// What all contenders of a run are made from.
struct setting {
  MPI_Comm comm;
  std::size_t largest;  // elements
  std::string interface;
  fc::communicator_options options;
};

template <class Communicator>
contender wrap(std::shared_ptr<Communicator> c, std::string algorithm, std::string transport, const setting& s) {
  contender made;
  made.algorithm = std::move(algorithm);
  made.transport = std::move(transport);
  if constexpr (requires { c->template allocate<float>(s.largest); })
    made.memory = {c->template allocate<float>(s.largest), s.largest};
  if constexpr (requires { c->options().window; }) {
    made.segment_bytes = c->options().segment_bytes;
    made.window = c->options().window;
  }
  if constexpr (requires { c->chosen(0); })
    made.chosen = [c] {
      const fc::choice how = c->chosen(0);
      return std::string(how.schedule) +
             (how.segment_bytes == SIZE_MAX ? std::string(", whole") : ", " + std::to_string(how.segment_bytes));
    };
  made.prepare = [c](std::size_t elements) { c->template prepare<float>(0, elements); };
  made.sum = [c](std::span<float> data) {
    c->start(0, data);
    c->wait(0);
  };
  return made;
}

struct known_contender {
  const char *algorithm, *transport;
  bool has_segments;
  std::function<contender(const setting&)> make;
};

template <class Communicator>
known_contender ours(const char* algorithm, const char* transport) {
  return {algorithm, transport, true, [=](const setting& s) {
            return wrap(std::make_shared<Communicator>(s.comm, s.options), algorithm, transport, s);
          }};
}

template <class Communicator>
known_contender vendors(const char* algorithm) {
  return {algorithm, "-", false,
          [=](const setting& s) { return wrap(std::make_shared<Communicator>(s.comm), algorithm, "-", s); }};
}

// All algorithms on one transport.
template <class Transport>
void add_transport(std::vector<known_contender>& list, const char* transport) {
  list.push_back(ours<fc::tree<Transport>>("tree", transport));
  list.push_back(ours<fc::double_tree<Transport>>("double_tree", transport));
  list.push_back(ours<fc::pipelined_chain<Transport>>("pipelined_chain", transport));
  list.push_back(ours<fc::ring<Transport>>("ring", transport));
  list.push_back(ours<fc::halving_doubling<Transport>>("halving_doubling", transport));
  list.push_back(ours<fc::recursive_doubling<Transport>>("recursive_doubling", transport));
  list.push_back(ours<fc::direct<Transport>>("direct", transport));
  list.push_back(ours<fc::parameter_server<Transport>>("parameter_server", transport));
  list.push_back(ours<fc::parameter_server<Transport, 4>>("parameter_server_4", transport));
  list.push_back(ours<fc::hierarchical<fc::direct_schedule, fc::ring_schedule, Transport>>("hierarchical", transport));
  list.push_back(ours<fc::automatic<Transport>>("automatic", transport));
}

inline std::vector<known_contender> known_contenders() {
  std::vector<known_contender> list;
  add_transport<fc::mpi::messages>(list, "mpi");
  add_transport<fc::mpi::transport>(list, "shared");
  list.push_back(vendors<fc::mpi_allreduce>("mpi_allreduce"));
  list.push_back(vendors<fc::blocking_mpi_allreduce>("blocking_mpi_allreduce"));
#ifdef FIRECAFFE_BENCH_GLOO
  list.push_back({"gloo_ring", "-", false, [](const setting& s) {
                    auto gloo = std::make_shared<gloo_ring>(s.comm, s.interface);
                    contender made;
                    made.algorithm = "gloo_ring", made.transport = "-";
                    made.prepare = [](std::size_t) {};
                    made.sum = [gloo](std::span<float> data) { gloo->sum(data); };
                    return made;
                  }});
#endif
  return list;
}

}  // namespace bench
