#pragma once

#include <dlib/dnn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

// Training steps of one of dlib's networks on 8 random images of 224 x 224; prints one JSON line.
template <class Net>
int steps(const char* name, int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: dlib_%s STEPS\n", name), 2;
  constexpr int batch = 8;
  const int count = std::atoi(argv[1]);
  dlib::rand random(1);
  std::vector<dlib::matrix<dlib::rgb_pixel>> images(batch);
  std::vector<unsigned long> labels(batch);
  for (int n = 0; n < batch; ++n) {
    images[std::size_t(n)].set_size(224, 224);
    for (dlib::rgb_pixel& p : images[std::size_t(n)])
      p = {random.get_random_8bit_number(), random.get_random_8bit_number(), random.get_random_8bit_number()};
    labels[std::size_t(n)] = static_cast<unsigned long>(n);
  }
  Net net;
  dlib::dnn_trainer<Net> trainer(net, dlib::sgd(5e-4f, 0.9f));
  trainer.set_learning_rate(0.01);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) trainer.train_one_step(images, labels);
  trainer.get_net();  // waits for the trainer's thread
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("{\"program\": \"dlib\", \"net\": \"%s\", \"batch\": %d, \"images_per_second\": %.2f}\n", name, batch,
              batch * count / seconds.count());
  return 0;
}
