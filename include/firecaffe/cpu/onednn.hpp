#pragma once

#include <dnnl.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "../core/options.hpp"
#include "device.hpp"

namespace firecaffe {

// Everything that differs between oneDNN 2.x and 3.x is in this file.

struct onednn_geometry {
  int block = 1, groups = 1;
  shape in, out;
  layout in_layout, out_layout;
  window slide;
  bool bias = false, relu = false;
};

// How oneDNN's kernels want the weights: both channels in blocks, an image's few inputs unblocked, plain where it has
// no blocked kernel.
constexpr weight_layout onednn_weight_layout(const onednn_geometry& g) {
  const int inputs = g.in.channels / g.groups, taps = g.slide.kernel_h * g.slide.kernel_w, outputs = g.out.channels;
  const std::ptrdiff_t b = g.block, out_blocks = (outputs + b - 1) / b, in_blocks = (inputs + b - 1) / b;
  if (g.out_layout.block == 1) return canonical_layout(outputs, inputs, taps);
  if (g.groups > 1 && inputs == 1 && outputs == g.groups && outputs % b == 0)
    return {outputs, 1, taps, int(b), 1, taps * b, 1, 0, 0, b, std::size_t(out_blocks * taps * b)};
  if (g.groups > 1 && (inputs % b != 0 || outputs / g.groups % b != 0)) return canonical_layout(outputs, inputs, taps);
  if (g.in_layout.block == 1)
    return {outputs,
            inputs,
            taps,
            int(b),
            1,
            taps * inputs * b,
            1,
            b,
            0,
            inputs * b,
            std::size_t(out_blocks * taps * inputs * b)};
  return {outputs,
          inputs,
          taps,
          int(b),
          int(b),
          in_blocks * taps * b * b,
          1,
          taps * b * b,
          b,
          b * b,
          std::size_t(out_blocks * in_blocks * taps * b * b)};
}

// One convolution for up to a number of samples. Primitives are made once for each number of samples that occurs (a
// full batch, and the short last one). Slices of a larger value run in place: oneDNN 3 takes their strides; with oneDNN
// 2 the forward and data passes go sample by sample, and the weight pass copies.
class onednn_convolution {
 public:
  explicit onednn_convolution(const onednn_geometry& g)
      : g_(g), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  void prepare(int samples, int threads) {
    const thread_scope scope(threads);
    find(samples);
  }

  void forward(int threads, int samples, const float* x, float* y, const float* w, const float* bias) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    for (int n = 0; n < samples; n += p.samples) {
      p.x.set_data_handle(writable(x + n * g_.in_layout.sample));
      p.y.set_data_handle(y + n * g_.out_layout.sample);
      p.w.set_data_handle(writable(w));
      if (g_.bias) p.bias.set_data_handle(writable(bias));
      p.forward.execute(stream_, p.forward_arguments);
    }
    stream_.wait();
  }

  void backward_input(int threads, int samples, float* dx, const float* dy, const float* w, bool add) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    p.w.set_data_handle(writable(w));
    if (p.reorder) p.reorder.execute(stream_, p.reorder_arguments);
    const std::int64_t run = sample_elements(g_.in, g_.in_layout),
                       step = g_.in_layout.sample;  // the scratch has x's strides
    if (add) input_scratch_.resize(std::size_t(step) * std::size_t(p.samples));
    for (int n = 0; n < samples; n += p.samples) {
      p.x.set_data_handle(add ? input_scratch_.data() : dx + n * g_.in_layout.sample);
      p.y.set_data_handle(writable(dy + n * g_.out_layout.sample));
      p.input.execute(stream_, p.input_arguments);
      stream_.wait();
      if (!add) continue;
      for (int s = 0; s < p.samples; ++s) {
        const float* from = input_scratch_.data() + s * step;
        float* to = dx + (n + s) * g_.in_layout.sample;
#pragma omp simd
        for (std::int64_t i = 0; i < run; ++i) to[i] += from[i];
      }
    }
  }

  void backward_weight(int threads, int samples, const float* x, const float* dy, float* dw, bool add) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    const std::size_t extent = onednn_weight_layout(g_).extent;
    if (add) weight_scratch_.resize(extent);
    p.whole_x.set_data_handle(writable(packed(x, samples, g_.in, g_.in_layout, packed_x_)));
    p.whole_y.set_data_handle(writable(packed(dy, samples, g_.out, g_.out_layout, packed_y_)));
    p.w.set_data_handle(add ? weight_scratch_.data() : dw);
    p.weight.execute(stream_, p.weight_arguments);
    stream_.wait();
    if (!add) return;
    for (std::size_t i = 0; i < extent; ++i) dw[i] += weight_scratch_[i];
  }

 private:
  using dims = dnnl::memory::dims;
  using tag = dnnl::memory::format_tag;
  static constexpr auto f32 = dnnl::memory::data_type::f32;
#if DNNL_VERSION_MAJOR >= 3
  static constexpr bool strided_samples = true;
#else
  static constexpr bool strided_samples = false;
#endif

  struct primitives {
    int key = 0, samples = 0;  // samples of one forward or data call
    dnnl::convolution_forward forward;
    dnnl::convolution_backward_data input;
    dnnl::convolution_backward_weights weight;
    dnnl::reorder reorder;  // to the weights that the data pass wants, where they differ
    dnnl::memory x, y, w, bias, whole_x, whole_y;
    std::unordered_map<int, dnnl::memory> forward_arguments, input_arguments, weight_arguments, reorder_arguments;
  };

  static float* writable(const float* p) { return const_cast<float*>(p); }  // oneDNN's handles know no const

  static std::int64_t sample_elements(shape s, const layout& l) { return blocked_layout(s, l.block).sample; }
  bool slice(shape s, const layout& l) const { return l.sample != sample_elements(s, l); }

  dnnl::memory::desc data(int samples, shape s, layout l, bool strided) const {
    const dims extents{samples, s.channels, s.height, s.width};
    if (l.block == 1) return {extents, f32, dims{strided ? l.sample : sample_elements(s, l), s.pixels(), s.width, 1}};
    const tag blocked = l.block == 16 ? tag::nChw16c : tag::nChw8c;
    if (!strided || !slice(s, l)) return {extents, f32, blocked};
    const dnnl::memory::desc whole({samples, l.sample / s.pixels(), s.height, s.width}, f32, blocked);
    return whole.submemory_desc(extents, {0, 0, 0, 0});
  }

  dnnl::memory::desc weights() const {
    const int inputs = g_.in.channels / g_.groups, outputs = g_.out.channels / g_.groups;
    const bool wide = g_.block == 16;
    const weight_layout l = onednn_weight_layout(g_);
    const dims plain{outputs, inputs, g_.slide.kernel_h, g_.slide.kernel_w};
    if (g_.groups == 1) {
      if (l.output_block == 1) return {plain, f32, tag::oihw};
      if (l.input_block == 1) return {plain, f32, wide ? tag::Ohwi16o : tag::Ohwi8o};
      return {plain, f32, wide ? tag::OIhw16i16o : tag::OIhw8i8o};
    }
    const dims grouped{g_.groups, outputs, inputs, g_.slide.kernel_h, g_.slide.kernel_w};
    if (l.output_block == 1) return {grouped, f32, tag::goihw};
    if (outputs == 1) return {grouped, f32, wide ? tag::Goihw16g : tag::Goihw8g};
    return {grouped, f32, wide ? tag::gOIhw16i16o : tag::gOIhw8i8o};
  }

  dnnl::memory::desc any_weights() const {
    const int inputs = g_.in.channels / g_.groups, outputs = g_.out.channels / g_.groups;
    if (g_.groups == 1) return {{outputs, inputs, g_.slide.kernel_h, g_.slide.kernel_w}, f32, tag::any};
    return {{g_.groups, outputs, inputs, g_.slide.kernel_h, g_.slide.kernel_w}, f32, tag::any};
  }

  primitives& find(int samples) {
    for (auto& p : made_)
      if (p->key == samples) return *p;
    made_.push_back(std::make_unique<primitives>());
    primitives& p = *made_.back();
    p.key = samples;
    const bool sliced = slice(g_.in, g_.in_layout) || slice(g_.out, g_.out_layout);
    p.samples = sliced && !strided_samples ? 1 : samples;  // oneDNN 2 has no fast kernel for samples that lie apart
    const dims strides{g_.slide.stride_h, g_.slide.stride_w}, pads{g_.slide.pad_h, g_.slide.pad_w},
        dilates{g_.slide.dilation_h - 1, g_.slide.dilation_w - 1};
    const auto x = data(p.samples, g_.in, g_.in_layout, strided_samples),
               y = data(p.samples, g_.out, g_.out_layout, strided_samples);
    const auto whole_x = data(samples, g_.in, g_.in_layout, false),
               whole_y = data(samples, g_.out, g_.out_layout, false);
    const auto w = weights(), any_w = any_weights();
    const dnnl::memory::desc bias = g_.bias ? dnnl::memory::desc({g_.out.channels}, f32, tag::a) : dnnl::memory::desc();
    constexpr auto direct = dnnl::algorithm::convolution_direct;
    constexpr auto training = dnnl::prop_kind::forward_training;
    dnnl::primitive_attr attributes;
    if (g_.relu) {
      dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
      after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#else
      after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#endif
      attributes.set_post_ops(after);
    }
#if DNNL_VERSION_MAJOR >= 3
    auto forward_of = [&](const dnnl::memory::desc& in, const dnnl::memory::desc& weight,
                          const dnnl::memory::desc& out) {
      return dnnl::convolution_forward::primitive_desc(engine_, training, direct, in, weight, bias, out, strides,
                                                       dilates, pads, pads, attributes);
    };
    const auto forward = forward_of(x, w, y), whole = forward_of(whole_x, w, whole_y);
    const dnnl::convolution_backward_data::primitive_desc input(engine_, direct, x, any_w, y, strides, dilates, pads,
                                                                pads, forward);
    const dnnl::convolution_backward_weights::primitive_desc weight(engine_, direct, whole_x, w, whole_y, strides,
                                                                    dilates, pads, pads, whole);
#else
    auto forward_of = [&](const dnnl::memory::desc& in, const dnnl::memory::desc& out) {
      return dnnl::convolution_forward::primitive_desc(
          g_.bias ? dnnl::convolution_forward::desc(training, direct, in, w, bias, out, strides, dilates, pads, pads)
                  : dnnl::convolution_forward::desc(training, direct, in, w, out, strides, dilates, pads, pads),
          attributes, engine_);
    };
    const auto forward = forward_of(x, y), whole = forward_of(whole_x, whole_y);
    const dnnl::convolution_backward_data::primitive_desc input(
        dnnl::convolution_backward_data::desc(direct, x, any_w, y, strides, dilates, pads, pads), engine_, forward);
    const dnnl::convolution_backward_weights::primitive_desc weight(
        dnnl::convolution_backward_weights::desc(direct, whole_x, w, whole_y, strides, dilates, pads, pads), engine_,
        whole);
#endif
    p.forward = dnnl::convolution_forward(forward);
    p.input = dnnl::convolution_backward_data(input);
    p.weight = dnnl::convolution_backward_weights(weight);
    p.x = {x, engine_, nullptr}, p.y = {y, engine_, nullptr}, p.w = {w, engine_, nullptr};
    p.whole_x = {whole_x, engine_, nullptr}, p.whole_y = {whole_y, engine_, nullptr};
    p.forward_arguments = {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_WEIGHTS, p.w}, {DNNL_ARG_DST, p.y}};
    if (g_.bias) {
      p.bias = {bias, engine_, nullptr};
      p.forward_arguments.insert({DNNL_ARG_BIAS, p.bias});
    }
    dnnl::memory input_weights = p.w;
    if (input.weights_desc() != w) {
      input_weights = {input.weights_desc(), engine_};
      p.reorder = dnnl::reorder(p.w, input_weights);
      p.reorder_arguments = {{DNNL_ARG_FROM, p.w}, {DNNL_ARG_TO, input_weights}};
    }
    p.input_arguments = {{DNNL_ARG_DIFF_DST, p.y}, {DNNL_ARG_WEIGHTS, input_weights}, {DNNL_ARG_DIFF_SRC, p.x}};
    p.weight_arguments = {{DNNL_ARG_SRC, p.whole_x}, {DNNL_ARG_DIFF_DST, p.whole_y}, {DNNL_ARG_DIFF_WEIGHTS, p.w}};
    return p;
  }

  const float* packed(const float* from, int samples, shape s, const layout& l, std::vector<float>& store) {
    if (!slice(s, l)) return from;
    const std::int64_t run = sample_elements(s, l);
    store.resize(std::size_t(run) * std::size_t(samples));
    for (int n = 0; n < samples; ++n)
      std::memcpy(store.data() + n * run, from + n * l.sample, std::size_t(run) * sizeof(float));
    return store.data();
  }

  onednn_geometry g_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<std::unique_ptr<primitives>> made_;
  std::vector<float> input_scratch_, weight_scratch_, packed_x_, packed_y_;
};

}  // namespace firecaffe
