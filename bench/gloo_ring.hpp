#pragma once

// gloo's ring over TCP, the allreduce below PyTorch's data parallelism on CPUs, to be measured against.
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "firecaffe/core/error.hpp"

namespace bench {

// Where gloo's ranks leave their addresses. All ranks call `set` equally often while they connect, so that it can be a
// collective and everything is known when it returns.
class mpi_store : public gloo::rendezvous::Store {
 public:
  explicit mpi_store(MPI_Comm comm) : comm_(comm) { MPI_Comm_size(comm, &ranks_); }

  void set(const std::string& key, const std::vector<char>& data) override {
    std::string own = key + '\0';
    own.append(data.begin(), data.end());
    int size = static_cast<int>(own.size());
    std::vector<int> sizes(static_cast<std::size_t>(ranks_)), places(sizes.size());
    MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, comm_);
    std::exclusive_scan(sizes.begin(), sizes.end(), places.begin(), 0);
    std::string all(static_cast<std::size_t>(places.back() + sizes.back()), ' ');
    MPI_Allgatherv(own.data(), size, MPI_CHAR, all.data(), sizes.data(), places.data(), MPI_CHAR, comm_);
    for (std::size_t r = 0; r < sizes.size(); ++r) {
      const std::string message = all.substr(static_cast<std::size_t>(places[r]), static_cast<std::size_t>(sizes[r]));
      const std::size_t end = message.find('\0');
      known_[message.substr(0, end)] = {message.begin() + static_cast<std::ptrdiff_t>(end) + 1, message.end()};
    }
  }
  std::vector<char> get(const std::string& key) override { return known_.at(key); }
  void wait(const std::vector<std::string>&) override {}

 private:
  MPI_Comm comm_;
  int ranks_ = 1;
  std::map<std::string, std::vector<char>> known_;
};

// Sums in place over TCP connections of its own on `interface`. Its threads are gloo's.
class gloo_ring {
 public:
  gloo_ring(MPI_Comm comm, const std::string& interface) {
    int rank = 0, ranks = 1;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    gloo::transport::tcp::attr place;
    place.iface = interface;
    try {
      auto device = gloo::transport::tcp::CreateDevice(place);
      context_ = std::make_shared<gloo::rendezvous::Context>(rank, ranks);
      context_->setTimeout(std::chrono::minutes(10));
      mpi_store store{comm};
      context_->connectFullMesh(store, device);
    } catch (const std::exception& e) {
      throw firecaffe::communication_error(rank, -1, "gloo on interface " + interface + ": " + e.what());
    }
  }

  void sum(std::span<float> data) {
    if (!options_ || data.data() != data_.data() || data.size() != data_.size()) {
      data_ = data;
      options_ = std::make_unique<gloo::AllreduceOptions>(context_);
      options_->setOutput(data.data(), data.size());
      options_->setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
      options_->setReduceFunction(
          static_cast<void (*)(void*, const void*, const void*, std::size_t)>(&gloo::sum<float>));
    }
    gloo::allreduce(*options_);
  }

 private:
  std::shared_ptr<gloo::rendezvous::Context> context_;
  std::unique_ptr<gloo::AllreduceOptions> options_;
  std::span<float> data_;
};

}  // namespace bench
