// What a deep network costs to compile: 150 layers in one flat chain, 75 convolutions that share three shapes and 75
// ReLUs.
#include <cstdio>
#include <firecaffe/cpu.hpp>

namespace fc = firecaffe;

template <int Channels>
using stage =
    fc::chain<fc::conv<Channels, fc::kernel<3>, fc::pad<1>>, fc::relu, fc::conv<Channels, fc::kernel<3>, fc::pad<1>>,
              fc::relu, fc::conv<Channels, fc::kernel<3>, fc::pad<1>>, fc::relu,
              fc::conv<Channels, fc::kernel<3>, fc::pad<1>>, fc::relu, fc::conv<Channels, fc::kernel<3>, fc::pad<1>>,
              fc::relu>;

struct flat150 : fc::network<fc::input<3, 32, 32>,                                   //
                             stage<16>, stage<16>, stage<16>, stage<16>, stage<16>,  //
                             stage<32>, stage<32>, stage<32>, stage<32>, stage<32>,  //
                             stage<64>, stage<64>, stage<64>, stage<64>, stage<64>,  //
                             fc::avg_pool<fc::global>, fc::dense<10>, fc::softmax_loss> {};

int main() {
  fc::trainer<flat150, fc::sgd, fc::alone, fc::cpu> trainer{fc::alone{}, {.batch = 4, .solver = {.momentum = 0.9f}}};
  const fc::data::synthetic images{{.samples = 16, .extents = {3, 32, 32}, .classes = 10}};
  trainer.fit(images, {.epochs = 1});
  std::printf("%d ops, %lld parameters\n", fc::plan<flat150, fc::cpu>.op_count,
              static_cast<long long>(fc::parameter_count<flat150>));
}
