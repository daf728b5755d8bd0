// A trainer of resnet50 on random images, without anything else: bench/compile_time.sh compiles it beside dlib's.
#include <cstdlib>
#include <firecaffe/cpu.hpp>
#include <firecaffe/firecaffe.hpp>
#include <firecaffe/mpi.hpp>
#include <firecaffe/zoo/resnet.hpp>

namespace fc = firecaffe;

int main(int argc, char** argv) {
  fc::mpi::session session{argc, argv};
  fc::trainer<fc::zoo::resnet50, fc::sgd, fc::tree<fc::mpi::transport>, fc::cpu> trainer{
      session.world(), {.batch = 16, .solver = {.momentum = 0.9f}, .learning_rate = fc::lr::poly{}}};
  fc::observe::console console{trainer.communicator().rank()};
  trainer.fit(fc::data::synthetic{{.extents = {3, 224, 224}, .classes = 1000}},
              {.iterations = argc > 1 ? std::atoi(argv[1]) : 10}, console);
}
