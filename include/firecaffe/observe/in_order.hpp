#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "../core/timeline.hpp"

namespace firecaffe::observe {

// The spans of several timelines by when they began; those of one timeline that began together in order of record.
inline std::vector<const time_span*> in_order(std::initializer_list<const timeline*> logs) {
  std::vector<const time_span*> spans;
  for (const timeline* log : logs)
    for (const time_span& s : log->spans()) spans.push_back(&s);
  std::sort(spans.begin(), spans.end(), [](const time_span* a, const time_span* b) {
    return a->begin != b->begin ? a->begin < b->begin : std::uintptr_t(a) < std::uintptr_t(b);
  });
  return spans;
}

}  // namespace firecaffe::observe
