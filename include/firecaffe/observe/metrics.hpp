#pragma once

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "../core/events.hpp"
#include "json.hpp"

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
      : path_(std::move(path)) {
    if (rank != 0 || path_.empty()) return;
    file_.reset(std::fopen(path_.c_str(), mode == metrics_mode::append ? "ab" : "wb"));
    if (!file_) fail("cannot be opened for writing");
  }

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
  void flush() {
    if (file_ && std::fflush(file_.get()) != 0) fail("cannot be written");
  }

 private:
  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  [[noreturn]] void fail(const char* what) const {
    throw file_error(path_, written_, std::string(what) + ": " + std::strerror(errno));
  }

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
    if (!file_) return;
    line_ += "}\n";
    if (std::fwrite(line_.data(), 1, line_.size(), file_.get()) != line_.size()) fail("cannot be written");
    written_ += line_.size();
  }

  std::string path_, line_;
  std::unique_ptr<std::FILE, closer> file_;  // null on ranks that write nothing
  std::uint64_t written_ = 0;                // by this object, in bytes
};

}  // namespace firecaffe::observe
