#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

namespace firecaffe {

// For how long nothing has moved. Time that this rank spent elsewhere between two looks is no waiting: the peers may
// have waited for it then.
template <class TimePoint>
class stall_clock {
 public:
  using duration = typename TimePoint::duration;

  // Something moved: waiting begins with the next look, or now.
  void restart() { looked_ = false; }
  void restart(TimePoint now) { looked_ = true, waited_ = {}, last_ = now; }

  // A look at which nothing has moved. True when that has lasted for `limit`.
  bool stuck(TimePoint now, std::chrono::milliseconds longest) {
    const auto limit = std::chrono::duration_cast<duration>(longest);
    waited_ = looked_ ? waited_ + std::min<duration>(now - last_, limit / 8) : duration{};
    looked_ = true, last_ = now;
    return waited_ >= limit;
  }

 private:
  bool looked_ = false;  // since something moved; `waited_` by `last_`
  duration waited_{};
  TimePoint last_{};
};

// "waited 120 s for "
inline std::string waited_for(std::chrono::milliseconds longest) {
  char text[48];
  std::snprintf(text, sizeof text, "waited %.3g s for ", std::chrono::duration<double>(longest).count());
  return text;
}

}  // namespace firecaffe
