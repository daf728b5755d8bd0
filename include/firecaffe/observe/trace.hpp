#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "../core/timeline.hpp"
#include "output_file.hpp"
#include "trace_text.hpp"

namespace firecaffe::observe {

// Writes the texts of any number of ranks as one file; an empty path is no file, and no text no events. Throws
// file_error, with the path, where it cannot be opened or written (a full disk).
inline void write_trace(const std::string& path, std::span<const std::string> ranks) {
  output_file file(path);
  file.put("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  bool first = true;
  for (const std::string& text : ranks) {
    if (text.empty()) continue;
    if (!first) file.put(",\n");
    file.put(text);
    first = false;
  }
  file.put("\n]}\n");
  file.flush();
}

// One rank's file.
inline void write_trace(const std::string& path, std::initializer_list<const timeline*> logs,
                        const trace_options& options = {}) {
  if (path.empty()) return;
  const trace_text events(logs, options);
  write_trace(path, std::span<const std::string>(&events.text(), 1));
}

inline void write_trace(const std::string& path, const timeline& log, const trace_options& options = {}) {
  write_trace(path, {&log}, options);
}

// One file of all ranks, written by rank 0 to its `path`. Every rank calls it, with its own timelines and options
// (whose rank is not looked at). The texts travel as sums of numbers through every rank, eight bytes to carry six:
// meant for the end of a run.
template <class Communicator>
void write_trace(Communicator& all, const std::string& path, std::initializer_list<const timeline*> logs,
                 trace_options options = {}) {
  options.rank = all.rank();
  const std::string mine = trace_text(logs, options).text();
  std::vector<double> lengths(static_cast<std::size_t>(all.size()));
  lengths[static_cast<std::size_t>(all.rank())] = static_cast<double>(mine.size());
  all.sum(lengths);

  constexpr std::size_t carried = 6, numbers = 1 << 15;  // a double holds 48 bits exactly
  std::vector<double> chunk(numbers);
  std::vector<std::string> texts(lengths.size());
  for (std::size_t rank = 0; rank < texts.size(); ++rank)
    for (std::size_t at = 0, length = static_cast<std::size_t>(lengths[rank]); at < length; at += carried * numbers) {
      std::fill(chunk.begin(), chunk.end(), 0.0);
      if (static_cast<int>(rank) == all.rank())
        for (std::size_t i = at; i < std::min(length, at + carried * numbers); i += carried) {
          std::uint64_t bits = 0;
          for (std::size_t k = 0; k < std::min(carried, length - i); ++k)
            bits |= std::uint64_t{static_cast<unsigned char>(mine[i + k])} << 8 * k;
          chunk[(i - at) / carried] = static_cast<double>(bits);
        }
      all.sum(chunk);
      if (all.rank() != 0) continue;
      for (const double number : chunk) {
        const std::uint64_t bits = static_cast<std::uint64_t>(number);
        for (std::size_t k = 0; k < carried; ++k) texts[rank] += static_cast<char>(bits >> 8 * k & 0xff);
      }
    }
  if (all.rank() != 0) return;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) texts[rank].resize(static_cast<std::size_t>(lengths[rank]));
  write_trace(path, std::span<const std::string>(texts));
}

template <class Communicator>
void write_trace(Communicator& all, const std::string& path, const timeline& log, const trace_options& options = {}) {
  write_trace(all, path, {&log}, options);
}

}  // namespace firecaffe::observe
