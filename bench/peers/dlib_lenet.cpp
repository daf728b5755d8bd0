// dlib's LeNet trained on Fashion-MNIST: the peer for compile time (bench/compile_time.sh) and speed.
// g++ -O2 -std=c++20 dlib_lenet.cpp -ldlib -lblas -llapack -pthread
// Usage: dlib_lenet FOLDER [EPOCHS [BATCH]], the folder with the four idx files, unpacked.
#include <dlib/data_io.h>
#include <dlib/dnn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

using lenet = dlib::loss_multiclass_log<dlib::fc<
    10,
    dlib::relu<dlib::fc<
        500, dlib::max_pool<
                 2, 2, 2, 2,
                 dlib::con<50, 5, 5, 1, 1,
                           dlib::max_pool<2, 2, 2, 2,
                                          dlib::con<20, 5, 5, 1, 1, dlib::input<dlib::matrix<unsigned char>>>>>>>>>>;

int main(int argc, char** argv) try {
  if (argc < 2) return std::fprintf(stderr, "usage: dlib_lenet FOLDER [EPOCHS [BATCH]]\n"), 2;
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 1;
  const std::size_t batch = argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 64;
  std::vector<dlib::matrix<unsigned char>> images, test_images, x;
  std::vector<unsigned long> labels, test_labels, y;
  dlib::load_mnist_dataset(argv[1], images, labels, test_images, test_labels);

  lenet net;
  dlib::dnn_trainer<lenet> trainer(net, dlib::sgd(5e-4f, 0.9f));
  trainer.set_learning_rate(0.01);
  trainer.set_min_learning_rate(1e-6);
  dlib::rand random(1);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto start = std::chrono::steady_clock::now();
    std::size_t seen = 0;
    for (; seen + batch <= images.size(); seen += batch) {
      x.clear(), y.clear();
      for (std::size_t i = 0; i < batch; ++i) {
        const auto at = random.get_integer(static_cast<long long>(images.size()));
        x.push_back(images[static_cast<std::size_t>(at)]), y.push_back(labels[static_cast<std::size_t>(at)]);
      }
      trainer.train_one_step(x, y);
    }
    trainer.get_net();  // waits for the trainer's thread
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const auto predicted = net(test_images);
    std::size_t right = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) right += predicted[i] == test_labels[i];
    std::printf(
        "{\"program\": \"dlib\", \"net\": \"lenet\", \"batch\": %zu, \"epoch\": %d, \"images_per_second\": %.1f, "
        "\"test_accuracy\": %.4f}\n",
        batch, epoch + 1, static_cast<double>(seen) / seconds.count(),
        static_cast<double>(right) / static_cast<double>(predicted.size()));
  }
  return 0;
} catch (const std::exception& e) {
  return std::fprintf(stderr, "dlib_lenet: %s\n", e.what()), 1;
}
