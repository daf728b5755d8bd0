#include "any_communicator.hpp"

#include <firecaffe/comm/automatic.hpp>
#include <firecaffe/comm/mpi_allreduce.hpp>
#include <firecaffe/cpu/memory.hpp>
#include <firecaffe/mpi.hpp>

namespace fc = firecaffe;
using ranks = fc::mpi::transport;

template <class Communicator>
class holder final : public any_communicator::base {
 public:
  explicit holder(MPI_Comm c) : inner_(c) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  int node_rank() const override { return inner_.node_rank(); }
  int node_size() const override { return inner_.node_size(); }
  void prepare(float, int bucket, std::size_t n, bool exact) override {
    inner_.template prepare<float>(bucket, n, exact);
  }
  void prepare(double, int bucket, std::size_t n, bool exact) override {
    inner_.template prepare<double>(bucket, n, exact);
  }
  void start(int bucket, std::span<float> data) override { inner_.start(bucket, data); }
  void start(int bucket, std::span<double> data) override { inner_.start(bucket, data); }
  bool progress() override { return inner_.progress(); }
  bool finished(int bucket) const override { return inner_.finished(bucket); }
  void wait(int bucket) override { inner_.wait(bucket); }
  void wait_all() override { inner_.wait_all(); }
  void sum(std::span<double> values) override { inner_.sum(values); }
  void agree(std::uint64_t hash, std::string_view text) override { inner_.agree(hash, text); }
  float* allocate(std::size_t elements) override {
    if constexpr (requires { inner_.template allocate<float>(elements); }) {
      return inner_.template allocate<float>(elements);
    } else {
      own_ = fc::aligned_memory<float>(elements);
      return own_.data();
    }
  }

 private:
  fc::aligned_memory<float> own_;  // before what uses it
  Communicator inner_;
};

struct algorithm {
  const char* name;
  std::unique_ptr<any_communicator::base> (*make)(MPI_Comm);
};

template <class Communicator>
constexpr algorithm entry(const char* name) {
  return {name, [](MPI_Comm c) -> std::unique_ptr<any_communicator::base> {
            return std::make_unique<holder<Communicator>>(c);
          }};
}

constexpr algorithm algorithms[] = {
    entry<fc::tree<ranks>>("tree"),
    entry<fc::double_tree<ranks>>("double_tree"),
    entry<fc::pipelined_chain<ranks>>("pipelined_chain"),
    entry<fc::ring<ranks>>("ring"),
    entry<fc::halving_doubling<ranks>>("halving_doubling"),
    entry<fc::recursive_doubling<ranks>>("recursive_doubling"),
    entry<fc::direct<ranks>>("direct"),
    entry<fc::parameter_server<ranks>>("parameter_server"),
    entry<fc::hierarchical<fc::direct_schedule, fc::ring_schedule, ranks>>("hierarchical"),
    entry<fc::automatic<ranks>>("automatic"),
    entry<fc::mpi_allreduce>("mpi_allreduce"),
};

std::string any_communicator::names() {
  std::string out;
  for (const algorithm& a : algorithms) out += (out.empty() ? "" : ", ") + std::string(a.name);
  return out;
}

any_communicator::any_communicator(MPI_Comm c, const std::string& wanted) {
  for (const algorithm& a : algorithms)
    if (wanted == a.name) held_ = a.make(c);
  if (!held_) throw fc::usage_error("no communicator " + wanted + "; there are " + names());
}
