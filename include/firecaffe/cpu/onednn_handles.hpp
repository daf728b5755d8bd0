#pragma once

#include <dnnl.h>
#include <dnnl_debug.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "../core/error.hpp"

// oneDNN's C interface with owners for its handles, as far as convolutions need it. Everything that differs between
// oneDNN 2.x and 3.x is in this file. Its C++ interface is not used: it costs each compile 33 MiB and half a second.
namespace firecaffe::onednn {

inline void check(dnnl_status_t status, const char* call) {
  if (status != dnnl_success) throw error(std::string(call) + " failed: " + dnnl_status2str(status));
}

// std::unique_ptr, but for the time it takes to compile one for each kind of handle.
template <class Handle, auto Destroy>
class owner {
 public:
  owner() = default;
  owner(owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  owner& operator=(owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~owner() {
    if (handle_ != nullptr) Destroy(handle_);
  }

  Handle get() const { return handle_; }
  Handle* fill() { return &handle_; }  // for the call that makes it, once

 private:
  Handle handle_ = nullptr;
};

using engine = owner<dnnl_engine_t, dnnl_engine_destroy>;
using stream = owner<dnnl_stream_t, dnnl_stream_destroy>;
using memory = owner<dnnl_memory_t, dnnl_memory_destroy>;
using primitive = owner<dnnl_primitive_t, dnnl_primitive_destroy>;
using primitive_descriptor = owner<dnnl_primitive_desc_t, dnnl_primitive_desc_destroy>;
using attributes = owner<dnnl_primitive_attr_t, dnnl_primitive_attr_destroy>;

struct dims {
  int count = 0;
  dnnl_dims_t of{};

  dims() = default;
  dims(std::initializer_list<std::int64_t> extents) {
    for (const std::int64_t n : extents) of[count++] = n;
  }
};

#if DNNL_VERSION_MAJOR >= 3
constexpr bool strided_samples = true;  // whether there are fast kernels for samples that lie apart
using descriptor_view = const_dnnl_memory_desc_t;
#else
constexpr bool strided_samples = false;
using descriptor_view = const dnnl_memory_desc_t*;
#endif

// Extents and layout of floats; empty where there is none.
class descriptor {
 public:
  descriptor() = default;

#if DNNL_VERSION_MAJOR >= 3
  descriptor(const dims& extents, dnnl_format_tag_t tag) {
    check(dnnl_memory_desc_create_with_tag(value_.fill(), extents.count, extents.of, dnnl_f32, tag),
          "dnnl_memory_desc_create_with_tag");
  }
  descriptor(const dims& extents, const dims& strides) {
    check(dnnl_memory_desc_create_with_strides(value_.fill(), extents.count, extents.of, dnnl_f32, strides.of),
          "dnnl_memory_desc_create_with_strides");
  }

  // Of the corner at 0.
  descriptor corner(const dims& extents) const {
    descriptor part;
    check(dnnl_memory_desc_create_submemory(part.value_.fill(), get(), extents.of, dims{}.of),
          "dnnl_memory_desc_create_submemory");
    return part;
  }
  descriptor_view get() const { return value_.get(); }

 private:
  owner<dnnl_memory_desc_t, dnnl_memory_desc_destroy> value_;
#else
  descriptor(const dims& extents, dnnl_format_tag_t tag) : some_(true) {
    check(dnnl_memory_desc_init_by_tag(&value_, extents.count, extents.of, dnnl_f32, tag),
          "dnnl_memory_desc_init_by_tag");
  }
  descriptor(const dims& extents, const dims& strides) : some_(true) {
    check(dnnl_memory_desc_init_by_strides(&value_, extents.count, extents.of, dnnl_f32, strides.of),
          "dnnl_memory_desc_init_by_strides");
  }

  descriptor corner(const dims& extents) const {
    descriptor part;
    part.some_ = true;
    check(dnnl_memory_desc_init_submemory(&part.value_, &value_, extents.of, dims{}.of),
          "dnnl_memory_desc_init_submemory");
    return part;
  }
  descriptor_view get() const { return some_ ? &value_ : nullptr; }

 private:
  dnnl_memory_desc_t value_{};
  bool some_ = false;
#endif
};

struct convolution {
  descriptor_view x, weight, bias, y;
  dims strides, dilates, pads;
  dnnl_alg_kind_t algorithm = dnnl_convolution_direct;
};

// False where oneDNN has no kernel for what was asked. The three below return an empty descriptor then.
inline bool there_is(dnnl_status_t status, const char* call) {
  if (status == dnnl_unimplemented) return false;
  check(status, call);
  return true;
}

inline primitive_descriptor forward(dnnl_engine_t on, const convolution& c, dnnl_primitive_attr_t extras) {
  primitive_descriptor made;
#if DNNL_VERSION_MAJOR >= 3
  there_is(dnnl_convolution_forward_primitive_desc_create(made.fill(), on, dnnl_forward_training, c.algorithm, c.x,
                                                          c.weight, c.bias, c.y, c.strides.of, c.dilates.of, c.pads.of,
                                                          c.pads.of, extras),
           "dnnl_convolution_forward_primitive_desc_create");
#else
  dnnl_convolution_desc_t d;
  check(dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, c.algorithm, c.x, c.weight, c.bias, c.y,
                                                   c.strides.of, c.dilates.of, c.pads.of, c.pads.of),
        "dnnl_dilated_convolution_forward_desc_init");
  there_is(dnnl_primitive_desc_create(made.fill(), &d, extras, on, nullptr), "oneDNN's forward convolution");
#endif
  return made;
}

inline primitive_descriptor backward_data(dnnl_engine_t on, const convolution& c, dnnl_primitive_desc_t hint) {
  primitive_descriptor made;
#if DNNL_VERSION_MAJOR >= 3
  there_is(dnnl_convolution_backward_data_primitive_desc_create(made.fill(), on, c.algorithm, c.x, c.weight, c.y,
                                                                c.strides.of, c.dilates.of, c.pads.of, c.pads.of, hint,
                                                                nullptr),
           "dnnl_convolution_backward_data_primitive_desc_create");
#else
  dnnl_convolution_desc_t d;
  check(dnnl_dilated_convolution_backward_data_desc_init(&d, c.algorithm, c.x, c.weight, c.y, c.strides.of,
                                                         c.dilates.of, c.pads.of, c.pads.of),
        "dnnl_dilated_convolution_backward_data_desc_init");
  there_is(dnnl_primitive_desc_create(made.fill(), &d, nullptr, on, hint), "oneDNN's gradient of a convolution's data");
#endif
  return made;
}

inline primitive_descriptor backward_weights(dnnl_engine_t on, const convolution& c, dnnl_primitive_desc_t hint) {
  primitive_descriptor made;
#if DNNL_VERSION_MAJOR >= 3
  there_is(dnnl_convolution_backward_weights_primitive_desc_create(made.fill(), on, c.algorithm, c.x, c.weight, c.bias,
                                                                   c.y, c.strides.of, c.dilates.of, c.pads.of,
                                                                   c.pads.of, hint, nullptr),
           "dnnl_convolution_backward_weights_primitive_desc_create");
#else
  dnnl_convolution_desc_t d;
  check(dnnl_dilated_convolution_backward_weights_desc_init(&d, c.algorithm, c.x, c.weight, c.bias, c.y, c.strides.of,
                                                            c.dilates.of, c.pads.of, c.pads.of),
        "dnnl_dilated_convolution_backward_weights_desc_init");
  there_is(dnnl_primitive_desc_create(made.fill(), &d, nullptr, on, hint),
           "oneDNN's gradient of a convolution's weights");
#endif
  return made;
}

// With a ReLU after the convolution, or nothing.
inline attributes ending_in(bool relu) {
  attributes made;
  check(dnnl_primitive_attr_create(made.fill()), "dnnl_primitive_attr_create");
  if (!relu) return made;
  owner<dnnl_post_ops_t, dnnl_post_ops_destroy> after;
  check(dnnl_post_ops_create(after.fill()), "dnnl_post_ops_create");
#if DNNL_VERSION_MAJOR >= 3
  check(dnnl_post_ops_append_eltwise(after.get(), dnnl_eltwise_relu, 0.0f, 0.0f), "dnnl_post_ops_append_eltwise");
#else
  check(dnnl_post_ops_append_eltwise(after.get(), 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f), "dnnl_post_ops_append_eltwise");
#endif
  check(dnnl_primitive_attr_set_post_ops(made.get(), after.get()), "dnnl_primitive_attr_set_post_ops");
  return made;
}

// A reorder that adds, or nothing.
inline attributes adding(bool add) {
  attributes made;
  if (!add) return made;
  check(dnnl_primitive_attr_create(made.fill()), "dnnl_primitive_attr_create");
  owner<dnnl_post_ops_t, dnnl_post_ops_destroy> after;
  check(dnnl_post_ops_create(after.fill()), "dnnl_post_ops_create");
#if DNNL_VERSION_MAJOR >= 3
  check(dnnl_post_ops_append_sum(after.get(), 1.0f, 0, dnnl_data_type_undef), "dnnl_post_ops_append_sum");
#else
  check(dnnl_post_ops_append_sum(after.get(), 1.0f), "dnnl_post_ops_append_sum");
#endif
  check(dnnl_primitive_attr_set_post_ops(made.get(), after.get()), "dnnl_primitive_attr_set_post_ops");
  return made;
}

}  // namespace firecaffe::onednn
