#pragma once

#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "check.hpp"

namespace firecaffe {

// cuDNN's graph interface: operations on tensors are put together from descriptors, heuristics name engines that can
// run them, and a plan is one of these made ready. A device is described by its properties
// (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR), those of a handle or those in a text: plans are made without a device too.
// Source: the documentation of cuDNN 9's backend API.

template <class T>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<std::int64_t> = CUDNN_TYPE_INT64;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<float> = CUDNN_TYPE_FLOAT;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<bool> = CUDNN_TYPE_BOOLEAN;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<cudnnConvolutionMode_t> = CUDNN_TYPE_CONVOLUTION_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<cudnnPointwiseMode_t> = CUDNN_TYPE_POINTWISE_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t cudnn_attribute_type<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;

class cudnn_descriptor {
 public:
  cudnn_descriptor(cudnnBackendDescriptorType_t kind, int device) : device_(device) {
    cudnnBackendDescriptor_t made = nullptr;
    check_status(cudnnBackendCreateDescriptor(kind, &made), "cudnnBackendCreateDescriptor", device);
    held_.reset(made);
  }

  template <class T>
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, const std::vector<T>& values) {
    return set(name, cudnn_attribute_type<T>, std::int64_t(values.size()), values.data());
  }
  template <class T>
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set(name, cudnn_attribute_type<T>, 1, &value);
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, const cudnn_descriptor& value) {
    return set(name, value.get());
  }
  cudnn_descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                        const void* values) {
    check_status(cudnnBackendSetAttribute(get(), name, type, count, values), "cudnnBackendSetAttribute", device_);
    return *this;
  }
  // Up to `room` values go to `to`; returns how many there are.
  std::int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t room,
                    void* to) const {
    std::int64_t count = 0;
    check_status(cudnnBackendGetAttribute(get(), name, type, room, &count, to), "cudnnBackendGetAttribute", device_);
    return count;
  }
  cudnn_descriptor& finalize() {
    check_status(try_finalize(), "cudnnBackendFinalize", device_);
    return *this;
  }
  // For what cuDNN may turn out not to support.
  cudnnStatus_t try_finalize() { return cudnnBackendFinalize(get()); }

  cudnnBackendDescriptor_t get() const { return held_.get(); }
  int device() const { return device_; }

 private:
  struct destroy {
    void operator()(void* d) const { cudnnBackendDestroyDescriptor(d); }
  };
  std::unique_ptr<void, destroy> held_;
  int device_;
};

// Something to be run on pointers that are given each time.
class cudnn_plan {
 public:
  // Not valid() where the engine cannot do it after all.
  cudnn_plan(const cudnn_descriptor& properties, cudnn_descriptor config)
      : config_(std::move(config)), plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, properties.device()) {
    plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config_).set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, properties);
    if (plan_.try_finalize() != CUDNN_STATUS_SUCCESS) return;
    std::int64_t bytes = 0;
    plan_.read(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &bytes);
    workspace_ = std::size_t(bytes), valid_ = true;
  }

  bool valid() const { return valid_; }
  std::size_t workspace() const { return workspace_; }  // bytes

  // `pointers` are those of the tensors named `ids`.
  void run(cudnnHandle_t handle, const std::vector<std::int64_t>& ids, std::vector<void*> pointers, void* space) const {
    const int device = plan_.device();
    cudnn_descriptor variants(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, device);
    variants.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::int64_t(pointers.size()), pointers.data())
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &space)
        .finalize();
    check_status(cudnnBackendExecute(handle, plan_.get(), variants.get()), "cudnnBackendExecute", device);
  }

 private:
  cudnn_descriptor config_, plan_;
  std::size_t workspace_ = 0;
  bool valid_ = false;
};

// The engines that heuristics name for `operations`, best first: plans are made of them one by one, by `next`.
class cudnn_candidates {
 public:
  struct filter {
    bool repeatable = true, tensor_cores = true;   // engines that add up in a fixed order; that may round to TF32
    std::size_t workspace = std::size_t{4} << 30;  // at most, bytes
  };

  cudnn_candidates(const cudnn_descriptor& properties, std::span<const cudnn_descriptor> operations, const filter& f)
      : properties_(properties), filter_(f), graph_(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, properties.device()) {
    std::vector<cudnnBackendDescriptor_t> all;
    for (const cudnn_descriptor& o : operations) all.push_back(o.get());
    graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, all).finalize();
    ask(CUDNN_HEUR_MODE_A);
  }

  // A plan that passes the filter, nullptr after the last.
  std::unique_ptr<cudnn_plan> next() {
    for (;; ++next_) {
      if (next_ == configs_.size() && !last_resort_) last_resort_ = true, ask(CUDNN_HEUR_MODE_FALLBACK);
      if (next_ == configs_.size()) return nullptr;
      if (!allowed(configs_[next_])) continue;
      auto plan = std::make_unique<cudnn_plan>(properties_, std::move(configs_[next_]));
      if (!plan->valid() || plan->workspace() > filter_.workspace) continue;
      ++next_;
      return plan;
    }
  }

 private:
  void ask(cudnnBackendHeurMode_t mode) {
    cudnn_descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, properties_.device());
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph_)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode)
        .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, properties_);
    if (heuristics.try_finalize() != CUDNN_STATUS_SUCCESS) return;  // none in this mode
    const auto results = [&](std::int64_t room, void* to) {
      return heuristics.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, room, to);
    };
    std::vector<cudnnBackendDescriptor_t> raw;
    std::vector<cudnn_descriptor> found;
    for (std::int64_t i = results(0, nullptr); i > 0; --i)
      raw.push_back(found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, properties_.device()).get());
    found.erase(found.begin() + results(std::int64_t(raw.size()), raw.data()), found.end());
    for (cudnn_descriptor& c : found) configs_.push_back(std::move(c));
  }

  bool allowed(const cudnn_descriptor& config) const {
    const unsigned refused = (filter_.repeatable ? bit(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) : 0) |
                             (filter_.tensor_cores ? 0 : bit(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) |
                             bit(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) |
                             bit(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION);
    return (notes_of(config) & refused) == 0;
  }
  static constexpr unsigned bit(cudnnBackendNumericalNote_t note) { return 1u << unsigned(note); }
  unsigned notes_of(const cudnn_descriptor& config) const {
    const cudnn_descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, properties_.device());
    cudnnBackendDescriptor_t raw = engine.get();
    config.read(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    const std::int64_t count = engine.read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                           CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes);
    unsigned all = 0;
    for (std::int64_t i = 0; i < count; ++i) all |= bit(notes[i]);
    return all;
  }

  const cudnn_descriptor& properties_;
  filter filter_;
  cudnn_descriptor graph_;
  std::vector<cudnn_descriptor> configs_;
  std::size_t next_ = 0;
  bool last_resort_ = false;
};

}  // namespace firecaffe
