#pragma once

#include <memory>
#include <utility>

#include "device.hpp"
#include "onednn_calls.hpp"
#include "onednn_geometry.hpp"

namespace firecaffe {

// One convolution for up to a number of samples. Primitives are made once for each number of samples that occurs (a
// full batch, and the short last one). Slices of a larger value run in place: oneDNN 3 takes their strides; with oneDNN
// 2 the forward and data passes go sample by sample, and the weight pass copies. A pass that oneDNN has no kernel for
// in our layouts (of volumes: gradients of weights without AVX-512, groups that do not fill blocks, an image's few
// channels...) goes through plain layouts and matrix products, volumes one by one, for the memory's sake. Winograd's
// passes transform the weights in each call: all samples go in one, and slices are copied.
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
               const float* bias, bool add = false) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    if (p.plain_forward) return p.plain_forward->run(stream_.get(), rounds(samples), x, w, y, add, bias);
    float* room = scratch.at_least(operand_room(p, g_.in, g_.in_layout) + result_room(p, g_.out, g_.out_layout, add));
    if (p.whole) x = packed(threads, x, samples, g_.in, g_.in_layout, room);
    onednn::point(p.w, w);
    if (g_.bias) onednn::point(p.bias, bias);
    for (int n = 0; n < samples; n += p.samples) {
      onednn::point(p.x, x + n * g_.in_layout.sample);
      write(threads, p, p.forward, p.y, y + n * g_.out_layout.sample, g_.out, g_.out_layout, add, room);
    }
  }

  void backward_input(int threads, scratch_memory& scratch, int samples, float* dx, const float* dy, const float* w,
                      bool add) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    if (p.plain_input) return p.plain_input->run(stream_.get(), rounds(samples), dy, w, dx, add, nullptr);
    float* room = scratch.at_least(operand_room(p, g_.out, g_.out_layout) + result_room(p, g_.in, g_.in_layout, add));
    if (p.whole) dy = packed(threads, dy, samples, g_.out, g_.out_layout, room);
    onednn::point(p.w, w);
    if (p.reorder.count > 0) p.reorder.execute(stream_.get());
    for (int n = 0; n < samples; n += p.samples) {
      onednn::point(p.y, dy + n * g_.out_layout.sample);
      write(threads, p, p.input, p.x, dx + n * g_.in_layout.sample, g_.in, g_.in_layout, add, room);
    }
  }

  void backward_weight(int threads, scratch_memory& scratch, int samples, const float* x, const float* dy, float* dw,
                       bool add) {
    if (samples == 0) return;
    const thread_scope scope(threads);
    primitives& p = find(samples);
    if (p.plain_weight) return p.plain_weight->run(stream_.get(), rounds(samples), x, dy, dw, add, nullptr);
    const std::size_t extent = onednn_weight_layout(g_).extent;
    float* room = scratch.at_least(staged(samples, g_.in, g_.in_layout) + staged(samples, g_.out, g_.out_layout) +
                                   (add ? extent : 0));
    onednn::point(p.whole_x, packed(threads, x, samples, g_.in, g_.in_layout, room));
    onednn::point(p.whole_y, packed(threads, dy, samples, g_.out, g_.out_layout, room));
    onednn::point(p.w, add ? room : dw);
    p.weight.execute(stream_.get());
    finish();
    if (!add) return;
#pragma omp simd
    for (std::size_t i = 0; i < extent; ++i) dw[i] += room[i];
  }

 private:
  using descriptor = onednn::descriptor;
  using primitive_descriptor = onednn::primitive_descriptor;

  struct primitives {
    int key = 0, samples = 0;                                // samples of one forward or data call
    bool whole = false;                                      // those are all, side by side: Winograd
    onednn::memory x, y, w, bias, whole_x, whole_y, data_w;  // data_w: the weights as the data pass wants them
    onednn::call forward, input, weight;
    onednn::call reorder;  // w to data_w, where they differ
    std::unique_ptr<onednn::detour> plain_forward, plain_input, plain_weight;
    std::unique_ptr<primitives> next;
  };

  void finish() { onednn::check(dnnl_stream_wait(stream_.get()), "dnnl_stream_wait"); }
  onednn::memory memory_of(onednn::descriptor_view d, void* at = DNNL_MEMORY_NONE) const {
    return onednn::memory_of(engine_.get(), d, at);
  }

  // A detour's calls, and the samples of each.
  int rounds(int samples) const { return g_.volumes() ? samples : 1; }

  // Runs a kernel that writes `result` at `at`, or in `room` where it is to be added or cannot be written in place.
  void write(int threads, const primitives& p, const onednn::call& kernel, const onednn::memory& result, float* at,
             shape s, const layout& l, bool add, float* room) {
    const bool apart = add || (p.whole && onednn::is_slice(s, l));
    onednn::point(result, apart ? room : at);
    kernel.execute(stream_.get());
    finish();
    if (!apart) return;
    const std::int64_t run = onednn::sample_elements(s, l), step = p.whole ? run : l.sample;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int n = 0; n < p.samples; ++n) {
      const float* from = room + n * step;
      float* to = at + n * l.sample;
      if (!add) {
        std::memcpy(to, from, std::size_t(run) * sizeof(float));
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < run; ++i) to[i] += from[i];
      }
    }
  }

  // Of the scratch: for what packed() copies, for an operand, for what write() lays apart.
  static std::size_t staged(int samples, shape s, const layout& l) {
    return onednn::is_slice(s, l) ? round_up(std::size_t(onednn::sample_elements(s, l)) * std::size_t(samples), 16) : 0;
  }
  static std::size_t operand_room(const primitives& p, shape s, const layout& l) {
    return p.whole ? staged(p.samples, s, l) : 0;
  }
  static std::size_t result_room(const primitives& p, shape s, const layout& l, bool add) {
    if (!add) return operand_room(p, s, l);
    return std::size_t(p.whole ? onednn::sample_elements(s, l) : l.sample) * std::size_t(p.samples);
  }

  // The samples side by side: where they are, or from `room` on, which moves on.
  static const float* packed(int threads, const float* from, int samples, shape s, const layout& l, float*& room) {
    if (!onednn::is_slice(s, l)) return from;
    const std::int64_t run = onednn::sample_elements(s, l);
    float* to = std::exchange(room, room + staged(samples, s, l));
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int n = 0; n < samples; ++n) std::memcpy(to + n * run, from + n * l.sample, std::size_t(run) * sizeof(float));
    return to;
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
    const bool sliced = onednn::is_slice(g_.in, g_.in_layout) || onednn::is_slice(g_.out, g_.out_layout);
    const bool strided = onednn::strided_samples && !p.whole;
    p.samples = sliced && !strided && !p.whole ? 1 : samples;
    const descriptor x = onednn::data(g_, p.samples, g_.in, g_.in_layout, strided),
                     y = onednn::data(g_, p.samples, g_.out, g_.out_layout, strided),
                     whole_x = onednn::data(g_, samples, g_.in, g_.in_layout, false),
                     whole_y = onednn::data(g_, samples, g_.out, g_.out_layout, false),
                     w(onednn::weight_extents(g_), onednn::weight_tag(g_)),
                     any_w(onednn::weight_extents(g_), dnnl_format_tag_any),
                     bias = g_.bias ? descriptor({g_.out.channels}, dnnl_a) : descriptor();
    onednn::convolution c = convolution(x, w, bias, y);
    c.algorithm = algorithm;
    const onednn::attributes ending = onednn::ending_in(g_.relu);
    dnnl_engine_t engine = engine_.get();
    const auto forward = onednn::forward(engine, c, ending.get());
    if (forward.get() == nullptr) return nullptr;
    c.weight = any_w.get();
    const auto input = onednn::backward_data(engine, c, forward.get());
    c = convolution(whole_x, w, bias, whole_y);
    c.algorithm = algorithm;
    const auto whole = onednn::forward(engine, c, ending.get());
    c.bias = nullptr;
    const auto weight = onednn::backward_weights(engine, c, whole.get());
    if (input.get() == nullptr || weight.get() == nullptr) return nullptr;

    p.x = memory_of(x.get()), p.y = memory_of(y.get()), p.w = memory_of(w.get());
    p.whole_x = memory_of(whole_x.get()), p.whole_y = memory_of(whole_y.get());
    if (g_.bias) p.bias = memory_of(bias.get());
    const onednn::descriptor_view wanted = dnnl_primitive_desc_query_md(input.get(), dnnl_query_weights_md, 0);
    if (!onednn::equal(wanted, w.get())) {
      p.data_w = memory_of(wanted, DNNL_MEMORY_ALLOCATE);
      p.reorder = onednn::reorder(engine, p.w, w.get(), p.data_w, wanted);
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
    if (!p.whole) take_detours(p, forward, input, weight);
    return fresh;
  }

  // Where a pass has no kernel and its plain form has one.
  void take_detours(primitives& p, const primitive_descriptor& forward, const primitive_descriptor& input,
                    const primitive_descriptor& weight) {
    using onednn::is_reference;
    if (!is_reference(forward) && !is_reference(input) && !is_reference(weight)) return;
    const int samples = p.key / rounds(p.key);
    const descriptor x = onednn::data(g_, samples, g_.in, g_.in_layout, true),
                     y = onednn::data(g_, samples, g_.out, g_.out_layout, true),
                     w(onednn::weight_extents(g_), onednn::weight_tag(g_)),
                     plain_x = onednn::data(g_, samples, g_.in, blocked_layout(g_.in, 1), false),
                     plain_y = onednn::data(g_, samples, g_.out, blocked_layout(g_.out, 1), false),
                     plain_w(onednn::weight_extents(g_), onednn::plain_weight_tag(g_)),
                     bias = g_.bias ? descriptor({g_.out.channels}, dnnl_a) : descriptor();
    dnnl_engine_t engine = engine_.get();
    onednn::convolution c = convolution(plain_x, plain_w, bias, plain_y);
    const onednn::attributes ending = onednn::ending_in(g_.relu);
    const auto whole = onednn::forward(engine, c, ending.get());
    c.bias = nullptr;
    const std::ptrdiff_t x_step = g_.in_layout.sample, y_step = g_.out_layout.sample;
    auto detour = [&](const primitive_descriptor& direct, const primitive_descriptor& plain, onednn::detour::side a,
                      onednn::detour::side b, onednn::detour::side to, onednn::descriptor_view with) {
      if (!is_reference(direct) || is_reference(plain)) return std::unique_ptr<onednn::detour>{};
      return std::make_unique<onednn::detour>(engine, plain, a, b, to, with);
    };
    p.plain_forward = detour(forward, whole, {&x, &plain_x, x_step, DNNL_ARG_SRC}, {&w, &plain_w, 0, DNNL_ARG_WEIGHTS},
                             {&y, &plain_y, y_step, DNNL_ARG_DST}, bias.get());
    p.plain_input =
        detour(input, onednn::backward_data(engine, c, whole.get()), {&y, &plain_y, y_step, DNNL_ARG_DIFF_DST},
               {&w, &plain_w, 0, DNNL_ARG_WEIGHTS}, {&x, &plain_x, x_step, DNNL_ARG_DIFF_SRC}, nullptr);
    p.plain_weight =
        detour(weight, onednn::backward_weights(engine, c, whole.get()), {&x, &plain_x, x_step, DNNL_ARG_SRC},
               {&y, &plain_y, y_step, DNNL_ARG_DIFF_DST}, {&w, &plain_w, 0, DNNL_ARG_DIFF_WEIGHTS}, nullptr);
  }

  onednn::convolution convolution(const descriptor& x, const descriptor& w, const descriptor& bias,
                                  const descriptor& y) const {
    const window& s = g_.slide;
    return {x.get(),
            w.get(),
            bias.get(),
            y.get(),
            onednn::with_pixels(g_, {}, s.stride_d, s.stride_h, s.stride_w),
            onednn::with_pixels(g_, {}, s.dilation_d - 1, s.dilation_h - 1, s.dilation_w - 1),
            onednn::with_pixels(g_, {}, s.pad_d, s.pad_h, s.pad_w)};
  }

  onednn_geometry g_;
  onednn::engine engine_;
  onednn::stream stream_;
  std::unique_ptr<primitives> made_;  // a list
};

}  // namespace firecaffe
