#pragma once

#include <array>
#include <optional>
#include <vector>

#include "device.hpp"

namespace firecaffe {

// Work that is asked for again and again, as CUDA graphs: see train/recorded_passes.hpp. A graph holds addresses; it is
// made anew when memory that ops share has moved.
class cuda_recorder {
 public:
  using key = std::array<std::int64_t, 5>;
  static constexpr std::size_t slots = 2;

  explicit cuda_recorder(cuda_device& device, bool keeps = true)
      : ordinal_(device.ordinal()), keeps_(keeps), numbers_(device.template allocate_host<double>(slots)) {
    const device_scope scope(ordinal_);
    for (owned_event& e : marked_) e = make_event(ordinal_);
  }

  // Does what body(cut) asks the device for: the first time for a key as it comes, so that whatever is made or
  // allocated on first use is there, the second time recorded, and from then on replayed without calling it. If this
  // `keeps` nothing, every time as it comes.
  template <class Body, class Between>
  void run(cuda_device& device, const key& k, Body body, Between between) {
    const device_scope scope(ordinal_);
    if (!keeps_) return body(between);
    recording* r = find(k);
    if (!r) {
      body(between);
      if (made_.size() < most) made_.push_back({k, device.memory_moves(), {}});
    } else if (r->moves != device.memory_moves()) {
      r->pieces.clear(), r->moves = device.memory_moves();
      body(between);
    } else if (r->pieces.empty()) {
      r->pieces = record(device.stream(), body, between);
    } else {
      for (const piece& p : r->pieces) {
        launch(p.graph, device.stream());
        if (p.cut) between(*p.cut);
      }
    }
  }

  double* numbers() { return numbers_.data(); }
  void mark(std::size_t slot, cuda_device& device) {
    const device_scope scope(ordinal_);
    record_event(marked_[slot], device.stream(), ordinal_);
  }
  bool arrived(std::size_t slot) const { return has_passed(marked_[slot], ordinal_); }
  double number(std::size_t slot) {
    check_status(cudaEventSynchronize(marked_[slot].get()), "cudaEventSynchronize", ordinal_);
    return numbers_.data()[slot];
  }

 private:
  struct destroy {
    void operator()(cudaGraph_t g) const { cudaGraphDestroy(g); }
    void operator()(cudaGraphExec_t g) const { cudaGraphExecDestroy(g); }
  };
  using owned_graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, destroy>;
  struct piece {
    owned_graph graph;       // null where nothing was asked for
    std::optional<int> cut;  // where it ends
  };
  struct recording {
    key of;
    std::uint64_t moves;
    std::vector<piece> pieces;
  };
  static constexpr std::size_t most = 8;  // full and short batches, first and later passes

  recording* find(const key& k) {
    for (recording& r : made_)
      if (r.of == k) return &r;
    return nullptr;
  }

  // While this lives, what the stream is asked for is kept instead of done.
  class capture {
   public:
    capture(cudaStream_t stream, int ordinal) : stream_(stream), ordinal_(ordinal) {
      check_status(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture", ordinal);
    }
    ~capture() {
      if (ended_) return;
      cudaGraph_t graph = nullptr;
      cudaStreamEndCapture(stream_, &graph);
      if (graph) cudaGraphDestroy(graph);
      cudaGetLastError();
    }
    capture(const capture&) = delete;
    capture& operator=(const capture&) = delete;

    owned_graph end() {
      cudaGraph_t graph = nullptr;
      ended_ = true;
      check_status(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture", ordinal_);
      const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, destroy> held(graph);
      std::size_t nodes = 0;
      check_status(cudaGraphGetNodes(graph, nullptr, &nodes), "cudaGraphGetNodes", ordinal_);
      cudaGraphExec_t exec = nullptr;
      if (nodes > 0) check_status(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate", ordinal_);
      return owned_graph(exec);
    }

   private:
    std::shared_lock<std::shared_mutex> with_others_{recordings};
    cudaStream_t stream_;
    int ordinal_;
    bool ended_ = false;
  };

  // Each piece is under way before the next is recorded.
  template <class Body, class Between>
  std::vector<piece> record(cudaStream_t stream, Body& body, Between& between) {
    std::vector<piece> made;
    std::optional<capture> now(std::in_place, stream, ordinal_);
    const auto end_piece = [&](std::optional<int> cut) {
      made.push_back({now->end(), cut});
      now.reset();
      launch(made.back().graph, stream);
    };
    body([&](int cut) {
      end_piece(cut);
      between(cut);
      now.emplace(stream, ordinal_);
    });
    end_piece({});
    return made;
  }

  void launch(const owned_graph& graph, cudaStream_t stream) const {
    if (graph) check_status(cudaGraphLaunch(graph.get(), stream), "cudaGraphLaunch", ordinal_);
  }

  int ordinal_;
  bool keeps_;
  pinned_memory<double> numbers_;
  owned_event marked_[slots];
  std::vector<recording> made_;
};

}  // namespace firecaffe
