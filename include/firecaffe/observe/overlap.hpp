#pragma once

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <vector>

#include "../core/timeline.hpp"

namespace firecaffe::observe {

// How much of one rank's communication went on behind its computing, in seconds.
//   communication  during which at least one message (send, receive) was under way
//   hidden         of that, during which an op or an update ran (forward, backward, update)
//   compute        during which an op or an update ran
//   waited         during which the rank did nothing but wait
// A receive is under way from when it is asked for, so waiting for a late peer is communication.
struct overlap {
  double communication = 0, hidden = 0, compute = 0, waited = 0;

  // hidden / communication; 1 where there was nothing to hide.
  double fraction() const { return communication > 0 ? hidden / communication : 1; }
};

// From all timelines of a rank, such as its own and that of its progress thread. Lengths of unions of spans: what
// happens twice at a time counts once. Spans that a timeline dropped are missing.
inline overlap measure_overlap(std::initializer_list<const timeline*> logs) {
  enum role { message, computing, waiting, none };
  const auto role_of = [](span_kind kind) {
    switch (kind) {
      case span_kind::send:
      case span_kind::receive:
        return message;
      case span_kind::forward:
      case span_kind::backward:
      case span_kind::update:
        return computing;
      case span_kind::wait:
        return waiting;
      default:
        return none;
    }
  };
  struct edge {
    time_span::time_point when;
    role what;
    int change;
  };
  std::vector<edge> edges;
  for (const timeline* log : logs)
    for (const time_span& s : log->spans()) {
      const role what = role_of(s.kind);
      if (what == none || s.end <= s.begin) continue;
      edges.push_back({s.begin, what, 1});
      edges.push_back({s.end, what, -1});
    }
  std::sort(edges.begin(), edges.end(), [](const edge& a, const edge& b) { return a.when < b.when; });

  overlap result;
  int open[none] = {};
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (i > 0) {
      const double seconds = std::chrono::duration<double>(edges[i].when - edges[i - 1].when).count();
      if (open[message] > 0) result.communication += seconds;
      if (open[computing] > 0) result.compute += seconds;
      if (open[message] > 0 && open[computing] > 0) result.hidden += seconds;
      if (open[waiting] > 0 && open[computing] == 0) result.waited += seconds;
    }
    open[edges[i].what] += edges[i].change;
  }
  return result;
}

inline overlap measure_overlap(const timeline& log) { return measure_overlap({&log}); }

}  // namespace firecaffe::observe
