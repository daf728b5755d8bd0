#pragma once

#include <cstring>

#include "memory.hpp"
#include "onednn_handles.hpp"

namespace firecaffe::onednn {

inline memory memory_of(dnnl_engine_t on, descriptor_view d, void* at = DNNL_MEMORY_NONE) {
  memory made;
  check(dnnl_memory_create(made.fill(), d, on, at), "dnnl_memory_create");
  return made;
}

inline void point(const memory& m, const float* at) {  // oneDNN's memory knows no const
  check(dnnl_memory_set_data_handle(m.get(), const_cast<float*>(at)), "dnnl_memory_set_data_handle");
}

inline bool equal(descriptor_view a, descriptor_view b) { return dnnl_memory_desc_equal(a, b) != 0; }

// oneDNN has plain loops for what it has no kernel for: right, and a thousand times slower.
inline bool is_reference(const primitive_descriptor& d) {
  const char* name = nullptr;
  check(dnnl_primitive_desc_query(d.get(), dnnl_query_impl_info_str, 0, &name), "dnnl_primitive_desc_query");
  return std::strncmp(name, "ref", 3) == 0;
}

// A kernel with what it works on.
struct call {
  primitive kernel;
  dnnl_exec_arg_t arguments[4] = {};
  int count = 0;

  void prepare(const primitive_descriptor& d, std::initializer_list<dnnl_exec_arg_t> with) {
    check(dnnl_primitive_create(kernel.fill(), d.get()), "dnnl_primitive_create");
    for (const dnnl_exec_arg_t& a : with)
      if (a.memory != nullptr) arguments[count++] = a;
  }
  void execute(dnnl_stream_t on) const {
    check(dnnl_primitive_execute(kernel.get(), on, count, arguments), "dnnl_primitive_execute");
  }
};

inline call reorder(dnnl_engine_t on, const memory& from, descriptor_view from_layout, const memory& to,
                    descriptor_view to_layout, bool add = false) {
  primitive_descriptor made;
  check(dnnl_reorder_primitive_desc_create(made.fill(), from_layout, on, to_layout, on, adding(add).get()),
        "dnnl_reorder_primitive_desc_create");
  call c;
  c.prepare(made, {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}});
  return c;
}

// A primitive c = f(a, b, bias) on copies of its operands in the layouts that it has a kernel for, `times` times: with
// `step` 0 an operand is the same every time (weights; their gradient is added up), else it moves on by that much.
class detour {
 public:
  struct side {
    const descriptor *stored, *wanted;
    std::ptrdiff_t step;
    int argument;
  };

  detour(dnnl_engine_t on, const primitive_descriptor& f, const side& a, const side& b, const side& c,
         descriptor_view bias)
      : a_(on, a), b_(on, b), c_(on, c) {
    if (bias != nullptr) bias_ = memory_of(on, bias);
    f_.prepare(f, {{a.argument, a_.wanted.get()},
                   {b.argument, b_.wanted.get()},
                   {c.argument, c_.wanted.get()},
                   {DNNL_ARG_BIAS, bias_.get()}});
    if (!a_.same) a_.copy = reorder(on, a_.stored, a.stored->get(), a_.wanted, a.wanted->get());
    if (!b_.same) b_.copy = reorder(on, b_.stored, b.stored->get(), b_.wanted, b.wanted->get());
    if (!c_.same) c_.copy = reorder(on, c_.wanted, c.wanted->get(), c_.stored, c.stored->get());
    add_ = reorder(on, c_.wanted, c.wanted->get(), c_.stored, c.stored->get(), true);
  }

  void run(dnnl_stream_t on, int times, const float* a, const float* b, float* c, bool add, const float* bias) {
    if (bias_.get() != nullptr) point(bias_, bias);
    for (int n = 0; n < times; ++n) {
      bring(on, a_, a, n);
      bring(on, b_, b, n);
      const bool adds = add || (n > 0 && c_.step == 0);
      point(c_.stored, c + n * c_.step);
      point(c_.wanted, c_.same && !adds ? c + n * c_.step : c_.scratch());
      f_.execute(on);
      if (adds)
        add_.execute(on);
      else if (!c_.same)
        c_.copy.execute(on);
    }
    check(dnnl_stream_wait(on), "dnnl_stream_wait");
  }

 private:
  struct operand {
    memory stored, wanted;
    bool same;
    std::ptrdiff_t step;
    std::size_t elements;
    aligned_memory<float> space;
    call copy;

    operand(dnnl_engine_t on, const side& s)
        : stored(memory_of(on, s.stored->get())),
          wanted(memory_of(on, s.wanted->get())),
          same(equal(s.stored->get(), s.wanted->get())),
          step(s.step),
          elements(dnnl_memory_desc_get_size(s.wanted->get()) / sizeof(float)) {}
    float* scratch() {
      if (space.size() == 0) space = aligned_memory<float>(elements);
      return space.data();
    }
  };

  static void bring(dnnl_stream_t on, operand& o, const float* from, int n) {
    if (n > 0 && o.step == 0) return;
    point(o.stored, from + n * o.step);
    point(o.wanted, o.same ? from + n * o.step : o.scratch());
    if (!o.same) o.copy.execute(on);
  }

  operand a_, b_, c_;
  memory bias_;
  call f_, add_;
};

}  // namespace firecaffe::onednn
