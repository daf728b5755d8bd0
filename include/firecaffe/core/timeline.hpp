#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace firecaffe {

enum class span_kind : std::uint8_t { load, forward, backward, update, send, receive, wait };

constexpr std::string_view to_string(span_kind kind) {
  constexpr std::string_view names[] = {"load", "forward", "backward", "update", "send", "receive", "wait"};
  return names[static_cast<std::size_t>(kind)];
}

// Something that a rank did, or had under way.
struct time_span {
  using time_point = std::chrono::steady_clock::time_point;
  span_kind kind{};
  int id = 0;     // of the op (forward, backward) or the bucket (update, send, receive, wait)
  int peer = -1;  // of a message; -1: all ranks
  time_point begin{}, end{};
};

// What one rank did and when. Room is made once: recording allocates nothing, and what does not fit is counted. For one
// thread.
class timeline {
 public:
  explicit timeline(std::size_t capacity = 1 << 16) { spans_.reserve(capacity); }

  void record(span_kind kind, int id, int peer, time_span::time_point begin, time_span::time_point end) {
    if (spans_.size() < spans_.capacity())
      spans_.push_back({kind, id, peer, begin, end});
    else
      ++dropped_;
  }

  std::span<const time_span> spans() const { return spans_; }
  std::size_t dropped() const { return dropped_; }
  void clear() {
    spans_.clear();
    dropped_ = 0;
  }

 private:
  std::vector<time_span> spans_;
  std::size_t dropped_ = 0;
};

// Records consecutive spans of one thread: each begins where the last ended. With no timeline it does nothing.
class span_recorder {
 public:
  explicit span_recorder(timeline* log) : log_(log) { skip(); }

  void operator()(span_kind kind, int id) {
    if (log_ == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    log_->record(kind, id, -1, last_, now);
    last_ = now;
  }

  // The next span begins now.
  void skip() {
    if (log_ != nullptr) last_ = std::chrono::steady_clock::now();
  }

 private:
  timeline* log_;
  time_span::time_point last_{};
};

}  // namespace firecaffe
