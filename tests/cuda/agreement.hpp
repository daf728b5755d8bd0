#pragma once

#include "../agreement.hpp"
#include "firecaffe/cuda.hpp"

namespace firecaffe {

// The agreement of tests/agreement.hpp for memory that the host cannot write: what it pokes is uploaded.
template <class Net, class Device = cuda>
struct cuda_agreement : agreement<Net, Device> {
  using base = agreement<Net, Device>;
  using base::base, base::mine, base::nan, base::my_plan, base::my_parameters, base::padding_is_zero;
  using typename base::memory, typename base::V;

  void poison() {
    const std::vector<V> all(memory::activation_elements(mine.capacity()), V(nan));
    V* arena = mine.view(0).data - my_plan.values[0].offset * std::size_t(mine.capacity());
    mine.device().upload(arena, all.data(), all.size());
  }
  // Elements only: padding is zero from the start, and every op leaves it so.
  void poison_gradients() {
    for (int i = 0; i < my_parameters.count; ++i) {
      const placed_parameter& p = my_parameters.list[i];
      if (!my_plan.ops[p.op].backward) continue;
      const std::vector<float> poison(p.stored.canonical(), nan);
      std::vector<float> stored(p.stored.extent);
      store_weights(p.stored, poison.data(), stored.data());
      mine.device().upload(mine.gradients() + p.offset, stored.data(), stored.size());
    }
  }

  struct descend {
    float* parameters;
    const float* gradients;
    FIRECAFFE_HD void operator()(std::size_t i) const { parameters[i] -= 0.02f * gradients[i]; }
  };
  bool padding_is_zero(const float* arena) {
    std::vector<float> here(memory::parameter_elements);
    mine.device().download(here.data(), arena, here.size());
    return base::padding_is_zero(here.data());
  }

  void step(int samples, std::uint32_t step) {
    INFO("seed ", this->seed, ", capacity ", mine.capacity(), ", samples ", samples, ", step ", step);
    poison();
    this->load(samples);
    this->forward(false, step);
    poison();
    this->load(samples);
    this->forward(true, step);
    poison_gradients();
    this->backward(step, false);
    poison();
    this->load(samples);
    this->forward(true, step + 1, true);
    this->backward(step + 1, true, true);
    CHECK(padding_is_zero(mine.gradients()));
    mine.device().for_each(memory::parameter_elements, descend{mine.parameters(), mine.gradients()});
    CHECK(padding_is_zero(mine.parameters()));
    for (int i = 0; i < my_parameters.count; ++i) this->set_truth(i, mine.parameter_values(i));
  }
};

// Full batches, short ones, one sample and none; each step changes the weights.
template <class Net, class Device = cuda>
void check_cuda_agreement(const char* name, std::uint64_t seed, double least_gradient = 1e-3) {
  INFO(std::string(name), " on ", std::string(Device::name));
  cuda_agreement<Net, Device> both(Device{}, 5, seed);
  both.least_gradient = least_gradient;
  std::uint32_t step = 0;
  for (int samples : {5, 3, 1, 0, 5}) both.step(samples, step += 2);
}

}  // namespace firecaffe
