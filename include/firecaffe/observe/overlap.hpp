#pragma once

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <vector>

#include "../core/timeline.hpp"
#include "in_order.hpp"

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

// From all timelines of a rank, such as its own and that of its progress thread. What happens twice at a time counts
// once. Spans that a timeline dropped are missing.
inline overlap measure_overlap(std::initializer_list<const timeline*> logs) {
  const auto bit = [](span_kind kind) { return 1u << static_cast<unsigned>(kind); };
  const unsigned messages = bit(span_kind::send) | bit(span_kind::receive), waiting = bit(span_kind::wait),
                 computing = bit(span_kind::forward) | bit(span_kind::backward) | bit(span_kind::update);
  const std::vector<const time_span*> spans = in_order(logs);
  using duration = time_span::time_point::duration;
  const auto length_of = [&](unsigned kinds) {  // of the union of such spans
    duration length{};
    time_span::time_point covered = time_span::time_point::min();
    for (const time_span* s : spans) {
      if ((bit(s->kind) & kinds) == 0 || s->end <= std::max(covered, s->begin)) continue;
      length += s->end - std::max(covered, s->begin);
      covered = s->end;
    }
    return length;
  };
  const auto seconds = [](duration length) { return std::chrono::duration<double>(length).count(); };
  const duration communication = length_of(messages), compute = length_of(computing);
  return {.communication = seconds(communication),
          .hidden = seconds(communication + compute - length_of(messages | computing)),
          .compute = seconds(compute),
          .waited = seconds(length_of(waiting | computing) - compute)};
}

inline overlap measure_overlap(const timeline& log) { return measure_overlap({&log}); }

}  // namespace firecaffe::observe
