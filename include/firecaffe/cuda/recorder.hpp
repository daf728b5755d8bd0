#pragma once

#include <array>
#include <vector>

#include "device.hpp"

namespace firecaffe {

// Work that is asked for again and again, as CUDA graphs: see train/replayed_steps.hpp. A graph holds addresses; it is
// made anew when memory that ops share has moved.
class cuda_recorder {
 public:
  using key = std::array<std::int64_t, 5>;
  static constexpr std::size_t slots = 2;

  explicit cuda_recorder(cuda_device& device)
      : ordinal_(device.ordinal()), host_(device.template allocate_host<double>(slots)) {
    const device_scope scope(ordinal_);
    for (owned_event& e : fetched_) e = make_event(ordinal_);
  }

  // Does what body() asks the device for: the first time for a key as it comes, so that whatever is made or allocated
  // on first use is there, the second time recorded, and from then on replayed without calling it.
  template <class Body>
  void run(cuda_device& device, const key& k, Body body) {
    const device_scope scope(ordinal_);
    recording* r = find(k);
    if (!r) {
      body();
      if (made_.size() < most) made_.push_back({k, device.memory_moves(), nullptr});
      return;
    }
    if (r->moves != device.memory_moves()) {
      r->graph.reset(), r->moves = device.memory_moves();
      return body();
    }
    if (!r->graph) r->graph = record(device.stream(), body);
    check_status(cudaGraphLaunch(r->graph.get(), device.stream()), "cudaGraphLaunch", ordinal_);
  }

  // Copies a number to the host, once what was asked for so far is done; fetched() waits for it.
  void fetch(std::size_t slot, const double* from, cuda_device& device) {
    const device_scope scope(ordinal_);
    check_status(cudaMemcpyAsync(host_.data() + slot, from, sizeof(double), cudaMemcpyDeviceToHost, device.stream()),
                 "cudaMemcpyAsync to the host", ordinal_);
    record_event(fetched_[slot], device.stream(), ordinal_);
  }
  double fetched(std::size_t slot) {
    check_status(cudaEventSynchronize(fetched_[slot].get()), "cudaEventSynchronize", ordinal_);
    return host_.data()[slot];
  }

 private:
  struct destroy {
    void operator()(cudaGraph_t g) const { cudaGraphDestroy(g); }
    void operator()(cudaGraphExec_t g) const { cudaGraphExecDestroy(g); }
  };
  using owned_graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, destroy>;
  struct recording {
    key of;
    std::uint64_t moves;
    owned_graph graph;
  };
  static constexpr std::size_t most = 8;  // full and short batches, first and later passes

  recording* find(const key& k) {
    for (recording& r : made_)
      if (r.of == k) return &r;
    return nullptr;
  }

  template <class Body>
  owned_graph record(cudaStream_t stream, Body& body) {
    check_status(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", ordinal_);
    cudaGraph_t graph = nullptr;
    try {
      body();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      if (graph) cudaGraphDestroy(graph);
      cudaGetLastError();
      throw;
    }
    check_status(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture", ordinal_);
    const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, destroy> held(graph);
    cudaGraphExec_t exec = nullptr;
    check_status(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate", ordinal_);
    return owned_graph(exec);
  }

  int ordinal_;
  pinned_memory<double> host_;
  owned_event fetched_[slots];
  std::vector<recording> made_;
};

}  // namespace firecaffe
