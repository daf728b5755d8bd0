#pragma once

#include <vector>

#include "../core/options.hpp"
#include "device.hpp"

namespace firecaffe {

// One convolution as cuDNN sees it: packed channels-last, `x_channels` and `y_channels` per pixel. Channels are padded
// like the values'; with groups they cannot be, as the padding would move the borders between groups.
struct cudnn_geometry {
  int groups = 1;
  shape in, out;
  int x_channels = 1, y_channels = 1;
  window slide;
};

constexpr cudnn_geometry make_cudnn_geometry(int groups, shape in, shape out, window slide) {
  const bool whole_quads = in.channels % quad == 0 && out.channels % quad == 0;
  const bool pads = groups == 1 || whole_quads;
  return {groups,
          in,
          out,
          pads ? padded_channels(in.channels) : in.channels,
          pads ? padded_channels(out.channels) : out.channels,
          slide};
}

// (O, H, W, I), padded in both channels.
constexpr weight_layout cudnn_weight_layout(const cudnn_geometry& g) {
  const std::ptrdiff_t inputs = g.x_channels / g.groups, taps = g.slide.kernel_h * g.slide.kernel_w;
  return {g.out.channels,
          g.in.channels / g.groups,
          int(taps),
          1,
          1,
          taps * inputs,
          0,
          1,
          0,
          inputs,
          std::size_t(g.y_channels * taps * inputs)};
}

// One convolution for up to a number of samples. Algorithms are chosen once for each number of samples that occurs (a
// full batch, and the short last one), by cuDNN's heuristics and not by timing, so that they are the same in every run:
// the first deterministic one in the arithmetic that was asked for. cuDNN's older interface, deprecated in version 9,
// does all of this in a few calls; the graph interface that follows it would also take slices as they lie.
class cudnn_convolution {
 public:
  explicit cudnn_convolution(const cudnn_geometry& g) : g_(g) {}

  // Bytes of workspace that the three passes need for so many samples.
  std::size_t workspace(cuda_device& device, int samples) {
    const chosen& c = find(device, samples);
    std::size_t most = c.forward.memory;
    most = c.input.memory > most ? c.input.memory : most;
    return c.weight.memory > most ? c.weight.memory : most;
  }

  void forward(cuda_device& device, int samples, const float* x, const float* w, float* y, void* space,
               bool add = false) {
    const chosen& c = find(device, samples);
    const device_scope scope(device.ordinal());
    const float one = 1, beta = add ? 1.0f : 0.0f;
    check_status(cudnnConvolutionForward(device.cudnn(), &one, c.x.get(), x, w_.get(), w, conv_.get(), c.forward.algo,
                                         space, c.forward.memory, &beta, c.y.get(), y),
                 "cudnnConvolutionForward", device.ordinal());
  }

  void backward_input(cuda_device& device, int samples, const float* w, const float* dy, float* dx, bool add,
                      void* space) {
    const chosen& c = find(device, samples);
    const device_scope scope(device.ordinal());
    const float one = 1, beta = add ? 1.0f : 0.0f;
    check_status(cudnnConvolutionBackwardData(device.cudnn(), &one, w_.get(), w, c.y.get(), dy, conv_.get(),
                                              c.input.algo, space, c.input.memory, &beta, c.x.get(), dx),
                 "cudnnConvolutionBackwardData", device.ordinal());
  }

  void backward_weight(cuda_device& device, int samples, const float* x, const float* dy, float* dw, bool add,
                       void* space) {
    const chosen& c = find(device, samples);
    const device_scope scope(device.ordinal());
    const float one = 1, beta = add ? 1.0f : 0.0f;
    check_status(cudnnConvolutionBackwardFilter(device.cudnn(), &one, c.x.get(), x, c.y.get(), dy, conv_.get(),
                                                c.weight.algo, space, c.weight.memory, &beta, w_.get(), dw),
                 "cudnnConvolutionBackwardFilter", device.ordinal());
  }

 private:
  template <auto Destroy>
  struct destroy {
    template <class T>
    void operator()(T* p) const {
      Destroy(p);
    }
  };
  using tensor = std::unique_ptr<cudnnTensorStruct, destroy<cudnnDestroyTensorDescriptor>>;
  using filter = std::unique_ptr<cudnnFilterStruct, destroy<cudnnDestroyFilterDescriptor>>;
  using convolution = std::unique_ptr<cudnnConvolutionStruct, destroy<cudnnDestroyConvolutionDescriptor>>;

  struct chosen {
    int samples = 0;
    tensor x, y;
    cudnnConvolutionFwdAlgoPerf_t forward{};
    cudnnConvolutionBwdDataAlgoPerf_t input{};
    cudnnConvolutionBwdFilterAlgoPerf_t weight{};
  };

  static constexpr std::size_t workspace_limit = std::size_t{1} << 30;

  tensor make_tensor(int samples, int channels, shape s, int device) const {
    cudnnTensorDescriptor_t d = nullptr;
    check_status(cudnnCreateTensorDescriptor(&d), "cudnnCreateTensorDescriptor", device);
    tensor made(d);
    check_status(
        cudnnSetTensor4dDescriptor(d, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, samples, channels, s.height, s.width),
        "cudnnSetTensor4dDescriptor", device);
    return made;
  }

  void describe(const cuda_device& device) {
    const int id = device.ordinal();
    cudnnFilterDescriptor_t w = nullptr;
    check_status(cudnnCreateFilterDescriptor(&w), "cudnnCreateFilterDescriptor", id);
    w_.reset(w);
    check_status(cudnnSetFilter4dDescriptor(w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, g_.y_channels,
                                            g_.x_channels / g_.groups, g_.slide.kernel_h, g_.slide.kernel_w),
                 "cudnnSetFilter4dDescriptor", id);
    cudnnConvolutionDescriptor_t c = nullptr;
    check_status(cudnnCreateConvolutionDescriptor(&c), "cudnnCreateConvolutionDescriptor", id);
    conv_.reset(c);
    check_status(cudnnSetConvolution2dDescriptor(c, g_.slide.pad_h, g_.slide.pad_w, g_.slide.stride_h,
                                                 g_.slide.stride_w, g_.slide.dilation_h, g_.slide.dilation_w,
                                                 CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                 "cudnnSetConvolution2dDescriptor", id);
    check_status(cudnnSetConvolutionGroupCount(c, g_.groups), "cudnnSetConvolutionGroupCount", id);
    // FMA_MATH keeps cuDNN from rounding to TF32, which its default allows.
    check_status(cudnnSetConvolutionMathType(c, device.math() == cuda_math::tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH),
                 "cudnnSetConvolutionMathType", id);
  }

  template <class Performance>
  static Performance best(const Performance* list, int count, const cuda_device& device, const char* call) {
    const Performance* found = nullptr;
    int found_rank = -1;
    for (int i = 0; i < count; ++i) {
      const Performance& p = list[i];
      if (p.status != CUDNN_STATUS_SUCCESS || p.memory > workspace_limit) continue;
      const bool converts = p.mathType == CUDNN_TENSOR_OP_MATH || p.mathType == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
      const int rank =
          (p.determinism == CUDNN_DETERMINISTIC ? 2 : 0) + (converts && device.math() == cuda_math::fp32 ? 0 : 1);
      if (rank > found_rank) found = &p, found_rank = rank;
    }
    if (!found) throw_cuda_error(call, "cuDNN has no algorithm for this convolution", device.ordinal());
    return *found;
  }

  const chosen& find(cuda_device& device, int samples) {
    for (const auto& c : made_)
      if (c->samples == samples) return *c;
    const device_scope scope(device.ordinal());
    const int id = device.ordinal();
    const cudnnHandle_t handle = device.cudnn();
    if (!conv_) describe(device);
    auto made = std::make_unique<chosen>();
    chosen& c = *made;
    c.samples = samples;
    c.x = make_tensor(samples, g_.x_channels, g_.in, id);
    c.y = make_tensor(samples, g_.y_channels, g_.out, id);
    constexpr int most = 16;  // more than cuDNN has
    int count = 0;
    cudnnConvolutionFwdAlgoPerf_t forward[most];
    check_status(cudnnGetConvolutionForwardAlgorithm_v7(handle, c.x.get(), w_.get(), conv_.get(), c.y.get(), most,
                                                        &count, forward),
                 "cudnnGetConvolutionForwardAlgorithm_v7", id);
    c.forward = best(forward, count, device, "cudnnConvolutionForward");
    cudnnConvolutionBwdDataAlgoPerf_t input[most];
    check_status(cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, w_.get(), c.y.get(), conv_.get(), c.x.get(), most,
                                                             &count, input),
                 "cudnnGetConvolutionBackwardDataAlgorithm_v7", id);
    c.input = best(input, count, device, "cudnnConvolutionBackwardData");
    cudnnConvolutionBwdFilterAlgoPerf_t weight[most];
    check_status(cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, c.x.get(), c.y.get(), conv_.get(), w_.get(),
                                                               most, &count, weight),
                 "cudnnGetConvolutionBackwardFilterAlgorithm_v7", id);
    c.weight = best(weight, count, device, "cudnnConvolutionBackwardFilter");
    made_.push_back(std::move(made));
    return c;
  }

  cudnn_geometry g_;
  filter w_;
  convolution conv_;
  std::vector<std::unique_ptr<chosen>> made_;
};

}  // namespace firecaffe
