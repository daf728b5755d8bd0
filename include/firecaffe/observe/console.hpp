#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../core/events.hpp"

namespace firecaffe::observe {

struct console_options {
  std::FILE* out = nullptr;  // null: stdout
  std::int64_t every = 100;  // iterations between lines where `out` is no terminal; 0: only epochs and evaluations
  double redraw = 0.1;       // least seconds between two drawings of the bar
};

// Shows a run's progress on rank 0: on a terminal a bar in one line that is drawn over, with a line per epoch and
// evaluation left above it; elsewhere (a file, a batch system's log) plain lines. Other ranks print nothing.
// The bar is cleared at the end of an epoch and by the destructor. Failing to print is no error: training goes on.
class console {
 public:
  explicit console(int rank = 0, const console_options& o = {})
      : options_(o),
        out_(rank != 0 ? nullptr
             : o.out   ? o.out
                       : stdout) {
    const char* kind = std::getenv("TERM");
    terminal_ = out_ && isatty(fileno(out_)) != 0 && kind && std::strcmp(kind, "dumb") != 0;
  }
  console(const console&) = delete;
  console& operator=(const console&) = delete;
  ~console() { clear(); }

  void on(const step_event& e) {
    if (!out_) return;
    if (first_iteration_ < 0) first_iteration_ = e.iteration - 1;
    const bool last = e.step + 1 == e.steps_per_epoch;
    if (terminal_) {
      if (drawn_ && !last && e.seconds - drawn_at_ < options_.redraw) return;
      drawn_at_ = e.seconds;
      draw(bar(e, columns() - 1));  // one less, so that no terminal wraps the line
    } else if (options_.every > 0 && e.iteration % options_.every == 0) {
      line("epoch " + of(e.epoch + 1, e.epochs) + "  iteration " + std::to_string(e.iteration) + "  " + figures(e));
    }
  }

  void on(const epoch_event& e) {
    line("epoch " + of(e.epoch + 1, e.epochs) + " done  iteration " + std::to_string(e.iteration) + "  loss " +
         number("%.4g", e.loss) + "  " + number("%.0f", e.images_per_second) + " images/s  after " + clock(e.seconds));
  }

  void on(const evaluation_event& e) {
    std::string text = "evaluation  iteration " + std::to_string(e.iteration) + "  loss " + number("%.4g", e.loss);
    for (const metric& m : e.metrics) text += "  " + m.name + " " + number("%.4g", m.value);
    line(text + "  on " + std::to_string(e.samples) + " samples");
  }

 private:
  static std::string number(const char* format, double value) {
    char text[48];
    // A figure too long for the field is better shown in full than cut.
    if (std::snprintf(text, sizeof text, format, value) >= static_cast<int>(sizeof text))
      std::snprintf(text, sizeof text, "%g", value);
    return text;
  }

  // h:mm:ss, or m:ss below an hour.
  static std::string clock(double seconds) {
    if (!(seconds >= 0 && seconds < 1e9)) return "?";
    const auto s = static_cast<long>(seconds + 0.5);
    char text[48];
    if (s >= 3600)
      std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
      std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
    return text;
  }

  static std::string of(std::int64_t part, std::int64_t whole) {
    return std::to_string(part) + (whole > 0 ? "/" + std::to_string(whole) : "");
  }

  // Time left of the run, or of the epoch where the run's end is unknown, at the mean speed so far.
  std::string left(const step_event& e) const {
    const std::int64_t rest = e.epochs > 0 ? e.epochs * e.steps_per_epoch - (e.epoch * e.steps_per_epoch + e.step + 1)
                                           : e.steps_per_epoch - e.step - 1;
    const std::int64_t done = e.iteration - first_iteration_;
    return clock(done > 0 ? e.seconds / static_cast<double>(done) * static_cast<double>(rest) : -1);
  }

  std::string figures(const step_event& e) const {
    return "loss " + number("%.4g", e.loss) + "  lr " + number("%.3g", e.learning_rate) + "  " +
           number("%.0f", e.images_per_second) + " images/s  ETA " + left(e);
  }

  // epoch 3/10 [=====>    ] 120/469  loss ...: the bar takes what room the text leaves, and goes where that is little.
  std::string bar(const step_event& e, int width) const {
    const std::string before = "epoch " + of(e.epoch + 1, e.epochs) + " ";
    const std::string after = of(e.step + 1, e.steps_per_epoch) + "  " + figures(e);
    const int room = std::min(width - static_cast<int>(before.size() + after.size()) - 3, 40);
    std::string text = before;
    if (room >= 5) {
      const std::int64_t steps = std::max<std::int64_t>(e.steps_per_epoch, 1);
      const auto full = static_cast<std::size_t>(std::clamp<std::int64_t>((e.step + 1) * room / steps, 0, room));
      std::string inside(full, '=');
      if (full < static_cast<std::size_t>(room)) inside += '>';
      inside.resize(static_cast<std::size_t>(room), ' ');
      text += "[" + inside + "] ";
    }
    text += after;
    if (width >= 0 && text.size() > static_cast<std::size_t>(width)) text.resize(static_cast<std::size_t>(width));
    return text;
  }

  int columns() const {
    winsize size{};
    return ioctl(fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  void draw(const std::string& text) {
    std::fprintf(out_, "\r%s\x1b[K", text.c_str());
    std::fflush(out_);
    drawn_ = true;
  }

  void clear() {
    if (!drawn_) return;
    std::fputs("\r\x1b[K", out_);
    std::fflush(out_);
    drawn_ = false;
  }

  void line(const std::string& text) {
    if (!out_) return;
    clear();
    std::fprintf(out_, "%s\n", text.c_str());
    std::fflush(out_);
  }

  console_options options_;
  std::FILE* out_;  // null on ranks that keep silent
  bool terminal_ = false, drawn_ = false;
  double drawn_at_ = 0;
  std::int64_t first_iteration_ = -1;  // updates made before the run, known from its first step
};

}  // namespace firecaffe::observe
