#pragma once

#include "device.hpp"

namespace firecaffe {

// The products of a convolution, of values and weights, and both gradients: by cuDNN, or as one product of matrices by
// cuBLASLt, pixels being rows, where a convolution is no more than that.
template <class V>
class cuda_products {
 public:
  explicit cuda_products(const cudnn_geometry& g) : g_(g) {}

  // Bytes of scratch that `run` takes.
  std::size_t workspace(cuda_device& device, const cudnn_request& r) const {
    return multiplies(device, r) ? 0 : cudnn_workspace(device, r);
  }
  // All but weight_gradient.
  void run(cuda_device& device, const cudnn_request& r, const V* x, const V* w, const V* y, const V* bias,
           void* space) const {
    if (!multiplies(device, r)) return by_cudnn(device, r, x, w, y, bias, space);
    const bool forward = r.what != cudnn_request::input_gradient;
    device.multiply(product(r),
                    {forward ? x : y, w, const_cast<V*>(forward ? y : x), float(r.add), const_cast<V*>(bias)});
  }

  // dw (+)= x * dy. From cuDNN it comes in the type of values (from bfloat16 to float 9.19 has no kernel) and is then
  // added up in single precision.
  void weight_gradient(cuda_device& device, cudnn_request r, const V* x, const V* dy, float* dw, bool add) const {
    r.add = add && !stages_dw;
    if (multiplies(device, r)) return device.multiply(product(r), {dy, x, dw, float(add)});
    char* const base = static_cast<char*>(device.scratch(staged_dw_bytes() + cudnn_workspace(device, r)));
    if constexpr (stages_dw) {
      V* narrow = reinterpret_cast<V*>(base);
      by_cudnn(device, r, x, narrow, dy, nullptr, base + staged_dw_bytes());
      device.convert(dw, narrow, extent(), add);
    } else {
      by_cudnn(device, r, x, dw, dy, nullptr, base);
    }
  }
  // Bytes of scratch that this takes.
  std::size_t weight_gradient_space(cuda_device& device, const cudnn_request& r) const {
    return multiplies(device, r) ? 0 : staged_dw_bytes() + cudnn_workspace(device, r);
  }
  // No samples, no gradient.
  void no_weight_gradient(cuda_device& device, float* dw, bool add) const {
    if (add) return;
    const device_scope scope(device.ordinal());
    check_status(cudaMemsetAsync(dw, 0, extent() * sizeof(float), device.stream()), "cudaMemsetAsync",
                 device.ordinal());
  }

 private:
  static constexpr bool stages_dw = !std::is_same_v<V, float>;
  static constexpr cudnnDataType_t data_type = std::is_same_v<V, float> ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
  std::size_t extent() const { return cudnn_weight_layout(g_).extent; }
  std::size_t staged_dw_bytes() const { return stages_dw ? round_up(extent() * sizeof(V), 256) : 0; }

  std::int64_t rows(const cudnn_request& r) const { return std::int64_t{r.samples} * g_.in.pixels(); }
  matrix_product product(const cudnn_request& r) const {
    constexpr cudaDataType_t type = cuda_device::data_type<V>;
    const int n = int(rows(r)), in = g_.x_channels, out = g_.y_channels;
    if (r.what == cudnn_request::weight_gradient)
      return {true, false, out, in, n, r.y_pitch, r.x_pitch, in, type, CUDA_R_32F};
    if (r.what == cudnn_request::input_gradient)
      return {false, false, n, in, out, r.y_pitch, in, r.x_pitch, type, type};
    const auto then = r.what == cudnn_request::forward        ? matrix_product::plain
                      : r.what == cudnn_request::forward_bias ? matrix_product::bias
                                                              : matrix_product::bias_relu;
    return {false, true, n, out, in, r.x_pitch, in, r.y_pitch, type, type, then};
  }

  // Whether cuBLASLt does it: where both were timed, if that is faster; else where cuDNN's kernels (9.19, for the
  // H100) would first copy their operands, as do all for a slice, and all without tensor cores.
  bool multiplies(cuda_device& device, cudnn_request r) const {
    constexpr window one{.kernel_h = 1, .kernel_w = 1};
    if (g_.groups != 1 || g_.slide != one || rows(r) > std::numeric_limits<int>::max()) return false;
    const matrix_product p = product(r);
    if (!device.offers(p, {})) return false;
    r.add = false;  // as the product was timed
    const float cublas = device.milliseconds(p, {}), cudnn = cublas > 0 ? plan(device, r).milliseconds : 0;
    if (cudnn > 0) return cublas < cudnn;
    return device.policy().math == cuda_math::fp32 || r.x_pitch != g_.x_channels || r.y_pitch != g_.y_channels;
  }

  const cudnn_plans::chosen& plan(cuda_device& device, const cudnn_request& r) const {
    return device.cudnn_plan_for(g_, data_type, r);
  }
  std::size_t cudnn_workspace(cuda_device& device, const cudnn_request& r) const {
    return round_up(plan(device, r).plan->workspace(), 256);
  }
  void by_cudnn(cuda_device& device, const cudnn_request& r, const V* x, const V* w, const V* y, const V* bias,
                void* space) const {
    const device_scope scope(device.ordinal());
    std::vector<std::int64_t> ids{cudnn_operations::x, cudnn_operations::w, cudnn_operations::y};
    std::vector<void*> pointers{const_cast<V*>(x), const_cast<V*>(w), const_cast<V*>(y)};
    if (bias) ids.push_back(cudnn_operations::bias), pointers.push_back(const_cast<V*>(bias));
    plan(device, r).plan->run(device.cudnn(), ids, pointers, space);
  }

  cudnn_geometry g_;
};

}  // namespace firecaffe
