// expect: no kernel for this layer on this device
// expect: implementation<.*basic_reference<.*plain>, *sharpen,
#include "firecaffe/network/model.hpp"
#include "networks.hpp"
#include "reference_layers.hpp"

namespace fc = firecaffe;

struct sharpen : fc::layer_defaults {
  static constexpr const char* name = "sharpen";
  static constexpr fc::shape output(fc::shape in) { return in; }
  static constexpr std::int64_t flops(fc::shape in) { return in.elements(); }
};
struct net : fc::network<fc::input<3>, sharpen, fc::euclidean_loss> {};
fc::model<net, fc::reference> m{fc::reference{}, 1};
