#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/timeline.hpp"
#include "in_order.hpp"
#include "json.hpp"

namespace firecaffe::observe {

struct trace_options {
  int rank = 0;
  std::span<const std::string> ops = {};  // names, by id; an op beyond them is called "op 7"
  // To be added to this rank's clock to give rank 0's. Ranks of one node have the same clock, those of others have not.
  std::chrono::nanoseconds offset{0};
};

// A rank's timelines (its own, that of its progress thread) as events of the Chrome trace format, which Perfetto and
// chrome://tracing show: one process per rank with tracks for compute (ops, loading, waiting), update, send and
// receive. Spans of a track that overlap in time, such as messages to several peers, go to further tracks ("send 2").
// Texts of several ranks make one file by write_trace.
class trace_text {
 public:
  trace_text(std::initializer_list<const timeline*> logs, const trace_options& options) : options_(options) {
    std::size_t dropped = 0;
    for (const timeline* log : logs) dropped += log->dropped();
    about("process_name", 0, "name", "rank " + std::to_string(options.rank));
    about("process_sort_index", 0, "sort_index", options.rank);
    if (dropped > 0) about("process_labels", 0, "labels", std::to_string(dropped) + " spans did not fit the timeline");
    for (const time_span* s : in_order(logs)) complete(*s, lane_for(*s));
  }

  const std::string& text() const { return text_; }

 private:
  static constexpr std::string_view tracks[] = {"compute", "update", "send", "receive"};

  struct lane {
    int track, number, id;
    time_span::time_point free;
  };

  static int track_of(span_kind kind) {
    return kind == span_kind::update ? 1 : kind == span_kind::send ? 2 : kind == span_kind::receive ? 3 : 0;
  }

  // The first of its track's lanes that is free when it begins.
  int lane_for(const time_span& s) {
    const int track = track_of(s.kind);
    int number = 0;
    for (lane& l : lanes_) {
      if (l.track != track) continue;
      ++number;
      if (l.free > s.begin) continue;
      l.free = std::max(s.begin, s.end);
      return l.id;
    }
    const int id = static_cast<int>(lanes_.size()) + 1;
    lanes_.push_back({track, number, id, std::max(s.begin, s.end)});
    std::string name(tracks[track]);
    if (number > 0) name += " " + std::to_string(number + 1);
    about("thread_name", id, "name", name);
    about("thread_sort_index", id, "sort_index", track * 10000 + number);
    return id;
  }

  void complete(const time_span& s, int tid) {
    const auto begin = s.begin.time_since_epoch() + options_.offset;
    const auto length = std::max(s.end - s.begin, time_span::time_point::duration{});
    open("X", tid);
    text_ += ",\"ts\":";
    microseconds(begin);
    text_ += ",\"dur\":";
    microseconds(length);
    text_ += ",\"cat\":\"";
    text_ += to_string(s.kind);
    text_ += "\",\"name\":";
    append_json(text_, name_of(s));
    text_ += ",\"args\":{\"id\":" + std::to_string(s.id);
    if (s.peer >= 0) text_ += ",\"peer\":" + std::to_string(s.peer);
    text_ += "}}";
  }

  std::string name_of(const time_span& s) const {
    const std::string bucket = "bucket " + std::to_string(s.id);
    switch (s.kind) {
      case span_kind::forward:
      case span_kind::backward: {
        const bool named = s.id >= 0 && static_cast<std::size_t>(s.id) < options_.ops.size();
        return std::string(to_string(s.kind)) + " " +
               (named ? options_.ops[static_cast<std::size_t>(s.id)] : "op " + std::to_string(s.id));
      }
      case span_kind::send:
        return bucket + " to rank " + std::to_string(s.peer);
      case span_kind::receive:
        return bucket + (s.peer < 0 ? " from all ranks" : " from rank " + std::to_string(s.peer));
      case span_kind::update:
        return "update " + bucket;
      case span_kind::wait:
        return "wait for " + bucket;
      default:
        return std::string(to_string(s.kind));
    }
  }

  // Text or a number that the format keeps about a process, or about one of its lanes.
  void about(const char* what, int tid, const char* key, const std::string& value) {
    std::string quoted;
    append_json(quoted, value);
    metadata(what, tid, key, quoted);
  }
  void about(const char* what, int tid, const char* key, int value) { metadata(what, tid, key, std::to_string(value)); }
  void metadata(const char* what, int tid, const char* key, const std::string& value) {
    open("M", tid);
    text_ += std::string(",\"name\":\"") + what + "\",\"args\":{\"" + key + "\":" + value + "}}";
  }

  void open(const char* phase, int tid) {
    if (!text_.empty()) text_ += ",\n";
    text_ += std::string("{\"ph\":\"") + phase + "\",\"pid\":" + std::to_string(options_.rank) +
             ",\"tid\":" + std::to_string(tid);
  }

  // With three decimals, in any locale.
  void microseconds(std::chrono::nanoseconds time) {
    const std::int64_t count = time.count();
    const std::uint64_t size = count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
    char digits[40];
    std::snprintf(digits, sizeof digits, "%s%llu.%03llu", count < 0 ? "-" : "",
                  static_cast<unsigned long long>(size / 1000), static_cast<unsigned long long>(size % 1000));
    text_ += digits;
  }

  trace_options options_;
  std::string text_;
  std::vector<lane> lanes_;
};

}  // namespace firecaffe::observe
