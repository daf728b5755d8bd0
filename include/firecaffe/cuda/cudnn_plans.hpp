#pragma once

#include "cudnn.hpp"
#include "memory.hpp"
#include "stream_timer.hpp"

namespace firecaffe {

// The plans that were made for a device, one for each geometry, element type and request. A convolution that is used
// for a short last batch too has two.
class cudnn_plans {
 public:
  struct choice {
    cudnn_candidates::filter filter;
    int tries = 1;  // of more than one the fastest is taken
  };

  struct chosen {
    std::unique_ptr<cudnn_plan> plan;
    float milliseconds = 0;  // that it took when it was tried, 0 where it was not
  };

  // Made when first asked for. Throws error where cuDNN has no kernel.
  const chosen& find(cudnnHandle_t handle, const cudnn_descriptor& properties, cudaStream_t stream, const choice& how,
                     const cudnn_geometry& g, cudnnDataType_t type, const cudnn_request& r) {
    for (const auto& m : made_)
      if (m->type == type && m->request == r && m->geometry == g) return m->best;
    const int device = properties.device();
    const cudnn_operations operations(g, type, r, device);
    cudnn_candidates candidates(properties, operations.list(), how.filter);
    chosen best{candidates.next()};
    if (!best.plan) throw_cuda_error("cuDNN", "it has no kernel for this convolution", device);
    if (how.tries > 1) best = fastest(std::move(best), candidates, how.tries, {handle, stream, device, g, type, r});
    return made_.emplace_back(new entry{g, type, r, std::move(best)})->best;
  }

 private:
  struct entry {
    cudnn_geometry geometry;
    cudnnDataType_t type;
    cudnn_request request;
    chosen best;
  };

  struct circumstances {
    cudnnHandle_t handle;
    cudaStream_t stream;
    int device;
    const cudnn_geometry& geometry;
    cudnnDataType_t type;
    const cudnn_request& request;
  };

  // Of `first` and what follows. Plans that fail when they are run are passed over, and where there is no memory to try
  // any, the first is taken.
  static chosen fastest(chosen first, cudnn_candidates& candidates, int tries, const circumstances& c) {
    std::unique_ptr<trial> room;
    try {
      room = std::make_unique<trial>(c);
    } catch (const error&) {
      return first;
    }
    first.milliseconds = room->milliseconds(*first.plan);
    for (int i = 1; i < tries; ++i) {
      std::unique_ptr<cudnn_plan> other = candidates.next();
      if (!other) break;
      const float took = room->milliseconds(*other);
      if (took < first.milliseconds) first = {std::move(other), took};
    }
    return first;
  }

  // Runs plans on memory of its own, which is zero: of a kernel's time the numbers change little.
  class trial {
   public:
    explicit trial(const circumstances& c)
        : handle_(c.handle), stream_(c.stream), device_(c.device), watch_(c.stream, c.device) {
      const cudnn_geometry& g = c.geometry;
      const cudnn_request& r = c.request;
      const std::size_t element = c.type == CUDNN_DATA_FLOAT ? sizeof(float) : sizeof(bfloat16);
      const auto value = [&](const shape& s, std::int64_t pitch) {
        return std::size_t(r.samples) * std::size_t(s.pixels()) * std::size_t(pitch);
      };
      const auto give = [&](std::int64_t name, std::size_t count) {
        tensors_.emplace_back(count * element, device_, stream_);
        ids_.push_back(name), pointers_.push_back(tensors_.back().data());
      };
      give(cudnn_operations::x, value(g.in, r.x_pitch));
      give(cudnn_operations::w, cudnn_weight_layout(g).extent);
      give(cudnn_operations::y, value(g.out, r.y_pitch));
      if (r.what == cudnn_request::forward_bias || r.what == cudnn_request::forward_bias_relu)
        give(cudnn_operations::bias, std::size_t(g.y_channels));
    }

    // Longer than anything for a plan that cannot be run.
    float milliseconds(const cudnn_plan& plan) {
      return watch_.milliseconds([&] {
        if (space_.bytes() < plan.workspace()) {
          space_ = {};
          space_ = device_memory<char>(plan.workspace(), device_, stream_);
        }
        plan.run(handle_, ids_, pointers_, space_.data());
      });
    }

   private:
    cudnnHandle_t handle_;
    cudaStream_t stream_;
    int device_;
    stream_timer watch_;
    std::vector<device_memory<char>> tensors_;
    std::vector<std::int64_t> ids_;
    std::vector<void*> pointers_;
    device_memory<char> space_;
  };

  std::vector<std::unique_ptr<entry>> made_;
};

}  // namespace firecaffe
