#pragma once

#include "../core/layout.hpp"
#include "../core/options.hpp"
#include "onednn_handles.hpp"

namespace firecaffe {

// A convolution as oneDNN is asked for it.
struct onednn_geometry {
  int block = 1, groups = 1;
  shape in, out;
  layout in_layout, out_layout;
  window slide;
  bool bias = false, relu = false;

  // oneDNN has kernels for planes and others for volumes.
  constexpr bool volumes() const { return in.depth > 1 || out.depth > 1 || slide.kernel_d > 1; }
};

// Where Winograd's algorithm, F(4 x 4, 3 x 3) of Lavin and Gray (arXiv 1509.09308), beats the direct one in oneDNN 2
// with AVX-512: 1.5 to 3 times as fast, with errors of 1e-6 of a result's deviation. Other versions and processors may
// have no such kernel.
constexpr bool suits_winograd(const onednn_geometry& g) {
  const window& w = g.slide;
  return g.block == 16 && g.in_layout.block == 16 && !g.volumes() && g.groups == 1 && w.kernel_h == 3 &&
         w.kernel_w == 3 && w.stride_h == 1 && w.stride_w == 1 && w.dilation_h == 1 && w.dilation_w == 1 &&
         g.in.channels >= 32 && g.out.channels >= 32 && g.out.height >= 10 && g.out.width >= 10;
}

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

namespace onednn {

inline std::int64_t sample_elements(shape s, const layout& l) { return blocked_layout(s, l.block).sample; }
inline bool is_slice(shape s, const layout& l) { return l.sample != sample_elements(s, l); }

// `before` and then (D, H, W), or (H, W) where planes will do.
inline dims with_pixels(const onednn_geometry& g, dims before, std::int64_t d, std::int64_t h, std::int64_t w) {
  if (g.volumes()) before.of[before.count++] = d;
  before.of[before.count++] = h, before.of[before.count++] = w;
  return before;
}

inline descriptor data(const onednn_geometry& g, int samples, shape s, layout l, bool strided) {
  const dims extents = with_pixels(g, {samples, s.channels}, s.depth, s.height, s.width);
  if (l.block == 1)
    return {extents, with_pixels(g, {strided ? l.sample : sample_elements(s, l), s.pixels()},
                                 std::int64_t{s.height} * s.width, s.width, 1)};
  const bool wide = l.block == 16;
  const dnnl_format_tag_t blocked = g.volumes() ? (wide ? dnnl_nCdhw16c : dnnl_nCdhw8c)
                                    : wide      ? dnnl_nChw16c
                                                : dnnl_nChw8c;
  if (!strided || !is_slice(s, l)) return {extents, blocked};
  return descriptor(with_pixels(g, {samples, l.sample / s.pixels()}, s.depth, s.height, s.width), blocked)
      .corner(extents);
}

inline dims weight_extents(const onednn_geometry& g) {
  const int inputs = g.in.channels / g.groups, outputs = g.out.channels / g.groups;
  const dims channels = g.groups == 1 ? dims{outputs, inputs} : dims{g.groups, outputs, inputs};
  return with_pixels(g, channels, g.slide.kernel_d, g.slide.kernel_h, g.slide.kernel_w);
}

inline dnnl_format_tag_t plain_weight_tag(const onednn_geometry& g) {
  if (g.groups == 1) return g.volumes() ? dnnl_oidhw : dnnl_oihw;
  return g.volumes() ? dnnl_goidhw : dnnl_goihw;
}

inline dnnl_format_tag_t weight_tag(const onednn_geometry& g) {
  const bool wide = g.block == 16, one_output = g.out.channels == g.groups, deep = g.volumes();
  const weight_layout l = onednn_weight_layout(g);
  if (l.output_block == 1) return plain_weight_tag(g);
  if (g.groups == 1) {
    if (l.input_block == 1) {
      if (deep) return wide ? dnnl_Odhwi16o : dnnl_Odhwi8o;
      return wide ? dnnl_Ohwi16o : dnnl_Ohwi8o;
    }
    if (deep) return wide ? dnnl_OIdhw16i16o : dnnl_OIdhw8i8o;
    return wide ? dnnl_OIhw16i16o : dnnl_OIhw8i8o;
  }
  if (one_output) return wide ? dnnl_Goihw16g : dnnl_Goihw8g;
  if (deep) return wide ? dnnl_gOIdhw16i16o : dnnl_gOIdhw8i8o;
  return wide ? dnnl_gOIhw16i16o : dnnl_gOIhw8i8o;
}

}  // namespace onednn
}  // namespace firecaffe
