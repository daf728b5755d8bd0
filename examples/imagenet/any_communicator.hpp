#pragma once

#include <mpi.h>

#include <concepts>
#include <cstdint>
#include <firecaffe/comm/contract.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>

// A communicator whose algorithm is named at run time: a program that offers all of them instantiates its trainer once.
// Costs an indirect call for each bucket; what the algorithms do was still fixed, and proved, by the compiler.
class any_communicator {
 public:
  // Throws usage_error with the names there are.
  any_communicator(MPI_Comm, const std::string& algorithm);
  static std::string names();

  static std::string name() { return "any_communicator"; }
  int rank() const { return held_->rank(); }
  int size() const { return held_->size(); }
  int node_rank() const { return held_->node_rank(); }
  int node_size() const { return held_->node_size(); }

  template <std::floating_point T>
  void prepare(int bucket, std::size_t elements, bool exact = false) {
    held_->prepare(T{}, bucket, elements, exact);
  }
  template <std::floating_point T>
  void start(int bucket, std::span<T> data) {
    held_->start(bucket, data);
  }
  bool progress() { return held_->progress(); }
  bool finished(int bucket) const { return held_->finished(bucket); }
  void wait(int bucket) { held_->wait(bucket); }
  void wait_all() { held_->wait_all(); }
  void sum(std::span<double> values) { held_->sum(values); }
  void agree(std::uint64_t hash, std::string_view text) { held_->agree(hash, text); }
  template <class T>
  T* allocate(std::size_t elements) {
    return static_cast<T*>(held_->allocate(elements));
  }

  struct base {
    virtual ~base() = default;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    virtual int node_rank() const = 0;
    virtual int node_size() const = 0;
    virtual void prepare(float, int bucket, std::size_t elements, bool exact) = 0;
    virtual void prepare(double, int bucket, std::size_t elements, bool exact) = 0;
    virtual void start(int bucket, std::span<float>) = 0;
    virtual void start(int bucket, std::span<double>) = 0;
    virtual bool progress() = 0;
    virtual bool finished(int bucket) const = 0;
    virtual void wait(int bucket) = 0;
    virtual void wait_all() = 0;
    virtual void sum(std::span<double>) = 0;
    virtual void agree(std::uint64_t hash, std::string_view text) = 0;
    virtual float* allocate(std::size_t elements) = 0;
  };

 private:
  std::unique_ptr<base> held_;
};

static_assert(firecaffe::gradient_communicator<any_communicator>);
