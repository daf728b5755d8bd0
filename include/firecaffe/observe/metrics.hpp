#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "../core/events.hpp"
#include "json.hpp"
#include "output_file.hpp"

namespace firecaffe::observe {

enum class metrics_mode { replace, append };

// Writes one JSON object per event and line, such as
//   {"event":"step","iteration":1,"epoch":0,"step":0,"steps_per_epoch":469,"loss":2.31,...}
// Numbers are written so that reading them back gives the same double; what is not finite becomes null, as JSON has no
// word for it. Lines reach the file at the end of each epoch and after each evaluation at the latest. Only rank 0
// opens it; an empty path is no file, for programs that let their users choose. Throws file_error, with the path, where
// the file cannot be opened or written (a full disk).
class metrics_file {
 public:
  explicit metrics_file(std::string path, int rank = 0, metrics_mode mode = metrics_mode::replace)
      : file_(rank == 0 ? std::move(path) : std::string(), mode == metrics_mode::append ? "ab" : "wb") {}

  void on(const step_event& e) {
    begin("step", e.iteration, e.epoch);
    field("step", e.step);
    field("steps_per_epoch", e.steps_per_epoch);
    field("loss", e.loss);
    field("learning_rate", e.learning_rate);
    field("images_per_second", e.images_per_second);
    field("seconds", e.seconds);
    end();
  }

  void on(const epoch_event& e) {
    begin("epoch", e.iteration, e.epoch);
    field("loss", e.loss);
    field("images_per_second", e.images_per_second);
    field("seconds", e.seconds);
    end();
    flush();
  }

  void on(const evaluation_event& e) {
    begin("evaluation", e.iteration, e.epoch);
    field("loss", e.loss);
    field("samples", e.samples);
    field("seconds", e.seconds);
    line_ += ",\"metrics\":{";
    for (const metric& m : e.metrics) {
      if (line_.back() != '{') line_ += ',';
      append_json(line_, m.name);
      line_ += ':';
      value(m.value);
    }
    line_ += '}';
    end();
    flush();
  }

  // Brings everything to the file. The destructor does too, but cannot report a failure.
  void flush() { file_.flush(); }

 private:
  void begin(const char* event, std::int64_t iteration, int epoch) {
    line_ = "{\"event\":\"";
    line_ += event;
    line_ += '"';
    field("iteration", iteration);
    field("epoch", std::int64_t{epoch});
  }

  template <class T>
  void field(const char* key, T v) {
    line_ += ",\"";
    line_ += key;
    line_ += "\":";
    value(v);
  }

  void value(std::int64_t v) { line_ += std::to_string(v); }

  void value(double v) {
    if (!std::isfinite(v)) {
      line_ += "null";
      return;
    }
    char text[32];
    line_.append(text, std::to_chars(text, text + sizeof text, v).ptr);  // shortest that reads back, in any locale
  }

  void end() {
    line_ += "}\n";
    file_.put(line_);
  }

  output_file file_;  // none on ranks that write nothing
  std::string line_;
};

}  // namespace firecaffe::observe
