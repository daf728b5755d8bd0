#pragma once

#include <memory>
#include <utility>

#include "../core/options.hpp"
#include "device.hpp"
#include "onednn_handles.hpp"

namespace firecaffe {

struct onednn_geometry {
  int block = 1, groups = 1;
  shape in, out;
  layout in_layout, out_layout;
  window slide;
  bool bias = false, relu = false;

  // oneDNN has kernels for planes and others for volumes.
  constexpr bool volumes() const { return in.depth > 1 || out.depth > 1 || slide.kernel_d > 1; }
};

// How oneDNN's kernels want the weights: both channels in blocks, an image's few inputs unblocked, plain where it has
// no blocked kernel.
constexpr weight_layout onednn_weight_layout(const onednn_geometry& g) {
  const int inputs = g.in.channels / g.groups, taps = g.slide.taps(), outputs = g.out.channels;
  const std::ptrdiff_t b = g.block, out_blocks = (outputs + b - 1) / b, in_blocks = (inputs + b - 1) / b;
  if (g.out_layout.block == 1) return canonical_layout(outputs, inputs, taps);
  if (!g.volumes() && g.groups > 1 && inputs == 1 && outputs == g.groups && outputs % b == 0)
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

// Where Winograd's algorithm, F(4 x 4, 3 x 3) of Lavin and Gray (arXiv 1509.09308), beats the direct one in oneDNN 2
// with AVX-512: 1.5 to 3 times as fast, with errors of 1e-6 of a result's deviation. Other versions and processors may
// have no such kernel.
constexpr bool suits_winograd(const onednn_geometry& g) {
  const window& w = g.slide;
  return g.block == 16 && g.in_layout.block == 16 && !g.volumes() && g.groups == 1 && w.kernel_h == 3 &&
         w.kernel_w == 3 && w.stride_h == 1 && w.stride_w == 1 && w.dilation_h == 1 && w.dilation_w == 1 &&
         g.in.channels >= 32 && g.out.channels >= 32 && g.out.height >= 10 && g.out.width >= 10;
}

// One convolution for up to a number of samples. Primitives are made once for each number of samples that occurs (a
// full batch, and the short last one). Slices of a larger value run in place: oneDNN 3 takes their strides; with oneDNN
// 2 the forward and data passes go sample by sample, and the weight pass copies. Winograd's passes copy, too: they
// transform the weights in each call.
class onednn_convolution {
 public:
  explicit onednn_convolution(const onednn_geometry& g) : g_(g) {
    onednn::check(dnnl_engine_create(engine_.fill(), dnnl_cpu, 0), "dnnl_engine_create");
    onednn::check(dnnl_stream_create(stream_.fill(), engine_.get(), dnnl_stream_default_flags), "dnnl_stream_create");
  }

  void prepare(int samples, int threads) {
    const thread_scope scope(threads);
    find(samples);
  }

  void forward(int threads, scratch_memory& scratch, int samples, const float* x, float* y, const float* w,
               const float* bias) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    float* room =
        scratch.at_least(p.whole ? staged(samples, g_.in, g_.in_layout) + staged(samples, g_.out, g_.out_layout) : 0);
    if (p.whole) x = packed(threads, x, samples, g_.in, g_.in_layout, room);
    float* to = p.whole && slice(g_.out, g_.out_layout) ? room : y;
    point(p.w, w);
    if (g_.bias) point(p.bias, bias);
    for (int n = 0; n < samples; n += p.samples) {
      point(p.x, x + n * g_.in_layout.sample);
      point(p.y, to + n * g_.out_layout.sample);
      execute(p.forward);
    }
    finish();
    if (to != y) place(threads, to, sample_elements(g_.out, g_.out_layout), samples, g_.out, g_.out_layout, y, false);
  }

  void backward_input(int threads, scratch_memory& scratch, int samples, float* dx, const float* dy, const float* w,
                      bool add) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    const bool apart = add || (p.whole && slice(g_.in, g_.in_layout));
    // What is laid apart has the strides that the kernel writes.
    const std::int64_t run = sample_elements(g_.in, g_.in_layout), step = p.whole ? run : g_.in_layout.sample;
    float* room = scratch.at_least((p.whole ? staged(samples, g_.out, g_.out_layout) : 0) +
                                   (apart ? std::size_t(step * p.samples) : 0));
    if (p.whole) dy = packed(threads, dy, samples, g_.out, g_.out_layout, room);
    point(p.w, w);
    if (p.reorder.count > 0) execute(p.reorder);
    for (int n = 0; n < samples; n += p.samples) {
      point(p.x, apart ? room : dx + n * g_.in_layout.sample);
      point(p.y, dy + n * g_.out_layout.sample);
      execute(p.input);
      finish();
      if (apart) place(threads, room, step, p.samples, g_.in, g_.in_layout, dx + n * g_.in_layout.sample, add);
    }
  }

  void backward_weight(int threads, scratch_memory& scratch, int samples, const float* x, const float* dy, float* dw,
                       bool add) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    const std::size_t extent = onednn_weight_layout(g_).extent;
    float* room = scratch.at_least(staged(samples, g_.in, g_.in_layout) + staged(samples, g_.out, g_.out_layout) +
                                   (add ? extent : 0));
    point(p.whole_x, packed(threads, x, samples, g_.in, g_.in_layout, room));
    point(p.whole_y, packed(threads, dy, samples, g_.out, g_.out_layout, room));
    point(p.w, add ? room : dw);
    execute(p.weight);
    finish();
    if (!add) return;
#pragma omp simd
    for (std::size_t i = 0; i < extent; ++i) dw[i] += room[i];
  }

 private:
  using dims = onednn::dims;
  using descriptor = onednn::descriptor;

  // A kernel with what it works on.
  struct call {
    onednn::primitive kernel;
    dnnl_exec_arg_t arguments[4] = {};
    int count = 0;

    void prepare(const onednn::primitive_descriptor& d, std::initializer_list<dnnl_exec_arg_t> with) {
      onednn::check(dnnl_primitive_create(kernel.fill(), d.get()), "dnnl_primitive_create");
      for (const dnnl_exec_arg_t& a : with)
        if (a.memory != nullptr) arguments[count++] = a;
    }
  };

  struct primitives {
    int key = 0, samples = 0;                                // samples of one forward or data call
    bool whole = false;                                      // all in one call, slices packed: Winograd
    onednn::memory x, y, w, bias, whole_x, whole_y, data_w;  // data_w: the weights as the data pass wants them
    call forward, input, weight;
    call reorder;  // w to data_w, where they differ
    std::unique_ptr<primitives> next;
  };

  void execute(const call& c) {
    onednn::check(dnnl_primitive_execute(c.kernel.get(), stream_.get(), c.count, c.arguments),
                  "dnnl_primitive_execute");
  }
  void finish() { onednn::check(dnnl_stream_wait(stream_.get()), "dnnl_stream_wait"); }

  static void point(const onednn::memory& m, const float* at) {  // oneDNN's memory knows no const
    onednn::check(dnnl_memory_set_data_handle(m.get(), const_cast<float*>(at)), "dnnl_memory_set_data_handle");
  }
  onednn::memory memory_of(onednn::descriptor_view d, void* at = DNNL_MEMORY_NONE) const {
    onednn::memory made;
    onednn::check(dnnl_memory_create(made.fill(), d, engine_.get(), at), "dnnl_memory_create");
    return made;
  }

  static std::int64_t sample_elements(shape s, const layout& l) { return blocked_layout(s, l.block).sample; }
  bool slice(shape s, const layout& l) const { return l.sample != sample_elements(s, l); }

  // `before` and then (D, H, W), or (H, W) where planes will do.
  dims with_pixels(dims before, std::int64_t d, std::int64_t h, std::int64_t w) const {
    if (g_.volumes()) before.of[before.count++] = d;
    before.of[before.count++] = h, before.of[before.count++] = w;
    return before;
  }

  descriptor data(int samples, shape s, layout l, bool strided) const {
    const dims extents = with_pixels({samples, s.channels}, s.depth, s.height, s.width);
    if (l.block == 1)
      return {extents, with_pixels({strided ? l.sample : sample_elements(s, l), s.pixels()},
                                   std::int64_t{s.height} * s.width, s.width, 1)};
    const bool wide = l.block == 16;
    const dnnl_format_tag_t blocked = g_.volumes() ? (wide ? dnnl_nCdhw16c : dnnl_nCdhw8c)
                                      : wide       ? dnnl_nChw16c
                                                   : dnnl_nChw8c;
    if (!strided || !slice(s, l)) return {extents, blocked};
    return descriptor(with_pixels({samples, l.sample / s.pixels()}, s.depth, s.height, s.width), blocked)
        .corner(extents);
  }

  dims weight_extents() const {
    const int inputs = g_.in.channels / g_.groups, outputs = g_.out.channels / g_.groups;
    const dims channels = g_.groups == 1 ? dims{outputs, inputs} : dims{g_.groups, outputs, inputs};
    return with_pixels(channels, g_.slide.kernel_d, g_.slide.kernel_h, g_.slide.kernel_w);
  }

  dnnl_format_tag_t weight_tag() const {
    const bool wide = g_.block == 16, one_output = g_.out.channels == g_.groups, deep = g_.volumes();
    const weight_layout l = onednn_weight_layout(g_);
    if (g_.groups == 1) {
      if (l.output_block == 1) return deep ? dnnl_oidhw : dnnl_oihw;
      if (l.input_block == 1) {
        if (deep) return wide ? dnnl_Odhwi16o : dnnl_Odhwi8o;
        return wide ? dnnl_Ohwi16o : dnnl_Ohwi8o;
      }
      if (deep) return wide ? dnnl_OIdhw16i16o : dnnl_OIdhw8i8o;
      return wide ? dnnl_OIhw16i16o : dnnl_OIhw8i8o;
    }
    if (l.output_block == 1) return deep ? dnnl_goidhw : dnnl_goihw;
    if (one_output) return wide ? dnnl_Goihw16g : dnnl_Goihw8g;
    if (deep) return wide ? dnnl_gOIdhw16i16o : dnnl_gOIdhw8i8o;
    return wide ? dnnl_gOIhw16i16o : dnnl_gOIhw8i8o;
  }

  primitives& find(int samples) {
    for (primitives* p = made_.get(); p != nullptr; p = p->next.get())
      if (p->key == samples) return *p;
    auto made = suits_winograd(g_) ? make(samples, dnnl_convolution_winograd) : nullptr;
    if (!made) made = make(samples, dnnl_convolution_direct);
    if (!made) throw error("oneDNN has no kernel for this convolution");
    primitives& p = *made;
    p.next = std::exchange(made_, std::move(made));
    return p;
  }

  // Null where oneDNN lacks one of the three passes.
  std::unique_ptr<primitives> make(int samples, dnnl_alg_kind_t algorithm) {
    auto fresh = std::make_unique<primitives>();
    primitives& p = *fresh;
    p.key = samples;
    p.whole = algorithm == dnnl_convolution_winograd;
    const bool sliced = slice(g_.in, g_.in_layout) || slice(g_.out, g_.out_layout),
               strided = onednn::strided_samples && !p.whole;
    p.samples = sliced && !strided && !p.whole ? 1 : samples;
    const descriptor x = data(p.samples, g_.in, g_.in_layout, strided),
                     y = data(p.samples, g_.out, g_.out_layout, strided),
                     whole_x = data(samples, g_.in, g_.in_layout, false),
                     whole_y = data(samples, g_.out, g_.out_layout, false), w(weight_extents(), weight_tag()),
                     any_w(weight_extents(), dnnl_format_tag_any),
                     bias = g_.bias ? descriptor({g_.out.channels}, dnnl_a) : descriptor();
    const window& s = g_.slide;
    onednn::convolution c{x.get(),
                          w.get(),
                          bias.get(),
                          y.get(),
                          with_pixels({}, s.stride_d, s.stride_h, s.stride_w),
                          with_pixels({}, s.dilation_d - 1, s.dilation_h - 1, s.dilation_w - 1),
                          with_pixels({}, s.pad_d, s.pad_h, s.pad_w),
                          algorithm};
    const onednn::attributes ending = onednn::ending_in(g_.relu);
    dnnl_engine_t engine = engine_.get();
    const auto forward = onednn::forward(engine, c, ending.get());
    if (forward.get() == nullptr) return nullptr;
    c.weight = any_w.get();
    const auto input = onednn::backward_data(engine, c, forward.get());
    c.x = whole_x.get(), c.y = whole_y.get(), c.weight = w.get();
    const auto whole = onednn::forward(engine, c, ending.get());
    c.bias = nullptr;
    const auto weight = onednn::backward_weights(engine, c, whole.get());
    if (input.get() == nullptr || weight.get() == nullptr) return nullptr;

    p.x = memory_of(x.get()), p.y = memory_of(y.get()), p.w = memory_of(w.get());
    p.whole_x = memory_of(whole_x.get()), p.whole_y = memory_of(whole_y.get());
    if (g_.bias) p.bias = memory_of(bias.get());
    const onednn::descriptor_view wanted = dnnl_primitive_desc_query_md(input.get(), dnnl_query_weights_md, 0);
    if (dnnl_memory_desc_equal(wanted, w.get()) == 0) {
      p.data_w = memory_of(wanted, DNNL_MEMORY_ALLOCATE);
      onednn::primitive_descriptor reorder;
      onednn::check(dnnl_reorder_primitive_desc_create(reorder.fill(), w.get(), engine, wanted, engine, nullptr),
                    "dnnl_reorder_primitive_desc_create");
      p.reorder.prepare(reorder, {{DNNL_ARG_FROM, p.w.get()}, {DNNL_ARG_TO, p.data_w.get()}});
    }
    p.forward.prepare(forward, {{DNNL_ARG_SRC, p.x.get()},
                                {DNNL_ARG_WEIGHTS, p.w.get()},
                                {DNNL_ARG_BIAS, p.bias.get()},
                                {DNNL_ARG_DST, p.y.get()}});
    p.input.prepare(input, {{DNNL_ARG_DIFF_DST, p.y.get()},
                            {DNNL_ARG_WEIGHTS, p.data_w.get() ? p.data_w.get() : p.w.get()},
                            {DNNL_ARG_DIFF_SRC, p.x.get()}});
    p.weight.prepare(
        weight,
        {{DNNL_ARG_SRC, p.whole_x.get()}, {DNNL_ARG_DIFF_DST, p.whole_y.get()}, {DNNL_ARG_DIFF_WEIGHTS, p.w.get()}});
    return fresh;
  }

  // What packed() needs of the scratch.
  std::size_t staged(int samples, shape s, const layout& l) const {
    return slice(s, l) ? round_up(std::size_t(sample_elements(s, l)) * std::size_t(samples), 16) : 0;
  }

  // The samples side by side: where they are, or from `room` on, which moves on.
  const float* packed(int threads, const float* from, int samples, shape s, const layout& l, float*& room) const {
    if (!slice(s, l)) return from;
    const std::int64_t run = sample_elements(s, l);
    float* to = std::exchange(room, room + staged(samples, s, l));
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int n = 0; n < samples; ++n) std::memcpy(to + n * run, from + n * l.sample, std::size_t(run) * sizeof(float));
    return to;
  }

  // Samples that lie `step` apart go where the layout wants them, or are added there.
  void place(int threads, const float* from, std::int64_t step, int samples, shape s, const layout& l, float* to,
             bool add) const {
    const std::int64_t run = sample_elements(s, l);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int n = 0; n < samples; ++n) {
      const float* in = from + n * step;
      float* out = to + n * l.sample;
      if (!add) {
        std::memcpy(out, in, std::size_t(run) * sizeof(float));
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < run; ++i) out[i] += in[i];
      }
    }
  }

  onednn_geometry g_;
  onednn::engine engine_;
  onednn::stream stream_;
  std::unique_ptr<primitives> made_;  // a list
};

}  // namespace firecaffe
