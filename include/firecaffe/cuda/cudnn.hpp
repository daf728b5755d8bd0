#pragma once

#include "../core/options.hpp"
#include "cudnn_graph.hpp"
#include "values.hpp"

namespace firecaffe {

// One convolution as cuDNN sees it: channels-last, `x_channels` and `y_channels` per pixel. Channels are padded like
// the values'; with groups they cannot be, as the padding would move the borders between groups.
struct cudnn_geometry {
  int groups = 1;
  shape in, out;
  int x_channels = 1, y_channels = 1;
  window slide;
  friend constexpr bool operator==(const cudnn_geometry&, const cudnn_geometry&) = default;
};

template <class V>
constexpr cudnn_geometry make_cudnn_geometry(int groups, shape in, shape out, window slide) {
  const bool whole_packs = in.channels % lanes<V> == 0 && out.channels % lanes<V> == 0;
  const bool pads = groups == 1 || whole_packs;
  return {groups,
          in,
          out,
          pads ? padded_channels<V>(in.channels) : in.channels,
          pads ? padded_channels<V>(out.channels) : out.channels,
          slide};
}

// (O, D, H, W, I), padded in both channels.
constexpr weight_layout cudnn_weight_layout(const cudnn_geometry& g) {
  const std::ptrdiff_t inputs = g.x_channels / g.groups, taps = g.slide.taps();
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

// What is asked of a convolution for so many samples. `x_pitch` and `y_pitch` are elements from pixel to pixel.
struct cudnn_request {
  enum pass { forward, forward_bias, forward_bias_relu, input_gradient, weight_gradient };
  pass what = forward;
  int samples = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  bool add = false;  // to what is there
  friend constexpr bool operator==(const cudnn_request&, const cudnn_request&) = default;
};

// The operations of a request and the tensors they name. All tensors but those inside have one element type.
class cudnn_operations {
 public:
  enum id : std::int64_t { x, w, y, bias, product, sum };

  cudnn_operations(const cudnn_geometry& g, cudnnDataType_t type, const cudnn_request& r, int device)
      : type_(type), device_(device), convolution_(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, device) {
    const window& s = g.slide;
    volume_ = g.in.depth > 1 || g.out.depth > 1 || s.kernel_d > 1;
    const auto spatial = [&](int d, int h, int w) {
      return volume_ ? std::vector<std::int64_t>{d, h, w} : std::vector<std::int64_t>{h, w};
    };
    const std::vector<std::int64_t> pads = spatial(s.pad_d, s.pad_h, s.pad_w);
    convolution_.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t(volume_ ? 3 : 2))
        .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pads)
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pads)
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, spatial(s.stride_d, s.stride_h, s.stride_w))
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, spatial(s.dilation_d, s.dilation_h, s.dilation_w))
        .finalize();

    const shape kernel{g.x_channels / g.groups, s.kernel_h, s.kernel_w, s.kernel_d};
    const cudnn_descriptor x_tensor = tensor(x, r.samples, g.x_channels, g.in, r.x_pitch),
                           w_tensor = tensor(w, g.y_channels, kernel.channels, kernel, kernel.channels),
                           y_tensor = tensor(y, r.samples, g.y_channels, g.out, r.y_pitch);
    if (r.what == cudnn_request::input_gradient) {
      multiply<CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA>(
          x_tensor, w_tensor, y_tensor, r.add);
    } else if (r.what == cudnn_request::weight_gradient) {
      multiply<CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA>(
          x_tensor, w_tensor, y_tensor, r.add);
    } else if (r.what == cudnn_request::forward) {
      forward(x_tensor, w_tensor, y_tensor, r.add);
    } else {
      const cudnn_descriptor product_tensor = tensor(product, r.samples, g.y_channels, g.out, g.y_channels),
                             bias_tensor = tensor(bias, 1, g.y_channels, {g.y_channels, 1, 1, 1}, g.y_channels);
      forward(x_tensor, w_tensor, product_tensor, false);
      if (r.what == cudnn_request::forward_bias) {
        pointwise(CUDNN_POINTWISE_ADD, product_tensor, &bias_tensor, y_tensor);
      } else {
        const cudnn_descriptor sum_tensor = tensor(sum, r.samples, g.y_channels, g.out, g.y_channels);
        pointwise(CUDNN_POINTWISE_ADD, product_tensor, &bias_tensor, sum_tensor);
        pointwise(CUDNN_POINTWISE_RELU_FWD, sum_tensor, nullptr, y_tensor);
      }
    }
  }

  std::span<const cudnn_descriptor> list() const { return operations_; }

 private:
  // (N, C, H, W) or (N, C, D, H, W), channels last. What lies inside a graph is single precision.
  cudnn_descriptor tensor(id name, std::int64_t n, std::int64_t channels, const shape& s, std::int64_t pitch) const {
    const bool inside = name == product || name == sum;
    cudnn_descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR, device_);
    std::vector<std::int64_t> extents{n, channels}, strides{s.pixels() * pitch, 1};
    if (volume_) extents.push_back(s.depth), strides.push_back(std::int64_t{s.height} * s.width * pitch);
    extents.insert(extents.end(), {s.height, s.width}), strides.insert(strides.end(), {s.width * pitch, pitch});
    t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, std::int64_t(name))
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, inside ? CUDNN_DATA_FLOAT : type_)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, extents)
        .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{16})
        .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, inside);
    t.finalize();
    return t;
  }

  template <auto Kind, auto X, auto W, auto Y, auto Convolution, auto Alpha, auto Beta>
  void multiply(const cudnn_descriptor& x_tensor, const cudnn_descriptor& w_tensor, const cudnn_descriptor& y_tensor,
                bool add) {
    operations_.emplace_back(Kind, device_)
        .set(X, x_tensor)
        .set(W, w_tensor)
        .set(Y, y_tensor)
        .set(Convolution, convolution_)
        .set(Alpha, 1.0f)
        .set(Beta, add ? 1.0f : 0.0f)
        .finalize();
  }
  void forward(const cudnn_descriptor& x_tensor, const cudnn_descriptor& w_tensor, const cudnn_descriptor& y_tensor,
               bool add) {
    multiply<CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA>(x_tensor, w_tensor, y_tensor, add);
  }
  void pointwise(cudnnPointwiseMode_t mode, const cudnn_descriptor& a, const cudnn_descriptor* b,
                 const cudnn_descriptor& to) {
    cudnn_descriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, device_);
    how.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT).finalize();
    cudnn_descriptor& o = operations_.emplace_back(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, device_);
    o.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    if (b) o.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    o.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to).finalize();
  }

  cudnnDataType_t type_;
  int device_;
  bool volume_ = false;
  cudnn_descriptor convolution_;
  std::vector<cudnn_descriptor> operations_;
};

}  // namespace firecaffe
