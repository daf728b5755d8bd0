#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "node_map.hpp"
#include "rehearsal.hpp"

namespace firecaffe {

// A way from rank to rank: a message of n bytes is there latency + n / bandwidth after it left.
struct link {
  double latency = 0;      // s
  double bandwidth = 1e9;  // B/s, each way
};

// A described machine: nodes around a switch that is never the bottleneck, each with one port.
struct machine {
  link network{50e-6, 125e6};  // between nodes: a port's bandwidth (1 Gbit/s Ethernet)
  link memory{1e-6, 10e9};     // between the ranks of a node, each with a port of its own
  double eager_bytes = 0;      // messages up to this length leave when they are sent, into buffers; 0: none
  double message_seconds = 0;  // of a rank's CPU for each message it sends and each that it receives
  double add_rate = 5e9;       // B/s of addends that a rank's CPU adds to its buffer
  bool full_duplex = true;     // a port sends at full speed while it receives
  double flops = 1e12;         // of a rank's device, 1/s, at large batches
  double half_batch = 0;       // samples per device at which it reaches half of that; 0: full speed at any batch

  // Flop/s of a device that works on `samples` at a time: flops * samples / (samples + half_batch).
  constexpr double rate(double samples) const { return samples > 0 ? flops * samples / (samples + half_batch) : flops; }
};

// The computation beside which buckets are summed, the same on every rank.
struct compute_plan {
  std::vector<double> ops;          // s, in the order in which a rank performs them
  std::vector<std::size_t> starts;  // of each bucket: the op after which it starts
  bool polled = false;              // ops run on the thread that communicates: it moves messages between them only
};

// Runs the schedules of all ranks on a machine, event by event, under the executor's rules: a window of messages per
// lane, steps wait for the data they touch, addends arrive beside the buffer and are added by the rank's CPU. A message
// moves when both sides have posted it, or, being short (eager_bytes), when it is sent. A port carries one byte stream
// in and one out (one in all when not full duplex); messages queue for it in order of arrival: fair sharing of a port
// among streams is not modelled, nor is congestion inside the network, nor ranks that run at different speeds. A
// message that waits for its receiver's port does so in the switch, and does not hold up the sender's port.
class event_model {
 public:
  event_model(const machine& described, node_map nodes, int window)
      : machine_(described), nodes_(std::move(nodes)), window_(static_cast<std::uint32_t>(window)) {
    if (window < 1) throw usage_error("the window of a communicator must be at least 1 message");
    network_.resize(static_cast<std::size_t>(nodes_.nodes()));
    memory_.resize(static_cast<std::size_t>(nodes_.ranks()));
    hosts_.resize(static_cast<std::size_t>(nodes_.ranks()));
  }

  // One more bucket, which must outlive the run. All rehearsals are symmetric or none is, and symmetric ones have a
  // rank on each node or all ranks on one.
  void add(const rehearsal& steps, double element_bytes) {
    if (jobs_.size() > UINT16_MAX) throw usage_error("too many buckets to model");
    job j{&steps, element_bytes, {}};
    for (const rehearsal::part& p : steps.parts()) {
      actor& a = j.actors.emplace_back();
      a.steps.resize(p.plan.steps.size());
      for (std::size_t i = 0; i < a.steps.size(); ++i)
        a.steps[i].waits = p.plan.first_need[i + 1] - p.plan.first_need[i];
      a.lanes.resize(p.plan.lanes.size());
      j.left += a.steps.size();
    }
    parts_ = j.actors.size();
    jobs_.push_back(std::move(j));
  }

  // Seconds until every rank has computed and every bucket is summed everywhere.
  double run(const compute_plan& compute = {}) {
    compute_ = &compute;
    if (parts_ == 0) parts_ = 1;
    for (std::uint32_t r = 0; r < parts_; ++r) {
      if (compute.ops.empty())
        for (std::uint32_t j = 0; j < jobs_.size(); ++j) begin(j, r);
      else
        next_op(r);
    }
    while (!events_.empty()) {
      const event e = events_.top();
      events_.pop();
      now_ = e.time;
      handle(e);
    }
    for (const job& j : jobs_)
      if (j.left > 0) throw usage_error("this is no schedule: its steps wait for each other");
    return now_;
  }

 private:
  enum class what : std::uint16_t { launched, reached, sent, arrived, finished, op_done, resumed };
  struct event {
    double time;
    std::uint32_t order;  // of equals, the first to be foreseen
    what kind;
    std::uint16_t job;
    std::uint32_t part, step;
    bool operator<(const event& other) const {
      return time > other.time || (time == other.time && order > other.order);
    }
  };
  struct step_state {
    double posted = -1;
    std::uint32_t waits = 0;
    bool arrived = false;
  };
  struct lane_state {
    std::uint32_t started = 0, finished = 0;
    bool handling = false;  // the CPU is at the first that is not finished
  };
  struct actor {
    std::vector<step_state> steps;
    std::vector<lane_state> lanes;
  };
  struct job {
    const rehearsal* steps;
    double element_bytes;
    std::vector<actor> actors;
    std::size_t left = 0;
  };
  struct port {  // when it is free
    double in = 0, out = 0;
  };
  struct host {
    double free = 0;  // its CPU
    bool computing = false;
    std::size_t op = 0;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> missed;  // lanes of jobs to look at when it polls
  };

  void push(double time, what kind, std::uint32_t j, std::uint32_t r, std::uint32_t i) {
    events_.push({time, order_++, kind, static_cast<std::uint16_t>(j), r, i});
  }

  double work(std::uint32_t r, double seconds) { return hosts_[r].free = std::max(hosts_[r].free, now_) + seconds; }

  double bytes(const job& j, std::uint32_t r, std::uint32_t i) const {
    const step& s = j.steps->parts()[r].plan.steps[i];
    return static_cast<double>(s.last - s.first) * j.element_bytes;
  }

  bool eager(const job& j, std::uint32_t r, std::uint32_t i) const {
    return !in_memory(r, j.steps->parts()[r].plan.steps[i].peer) && bytes(j, r, i) <= machine_.eager_bytes;
  }

  bool in_memory(std::uint32_t r, int peer) const {
    return nodes_.node_of(static_cast<int>(r)) == nodes_.node_of(peer);
  }
  port& port_of(std::uint32_t r, bool memory) {
    return memory ? memory_[r] : network_[static_cast<std::size_t>(nodes_.node_of(static_cast<int>(r)))];
  }

  void handle(const event& e) {
    if (e.kind == what::op_done || e.kind == what::resumed)
      return e.kind == what::op_done ? op_done(e.part) : resume(e.part);
    job& j = jobs_[e.job];
    const rehearsal::part& p = j.steps->parts()[e.part];
    const std::uint32_t l = p.lane_of[e.step];
    if (e.kind == what::sent || e.kind == what::arrived) {
      j.actors[e.part].steps[e.step].arrived = true;
      return pump(e.job, e.part, l);
    }
    if (e.kind == what::finished) {
      j.actors[e.part].lanes[l].handling = false;
      return done(e.job, e.part, e.step);
    }
    const rehearsal::end mate = p.mates[e.step];
    const bool memory = in_memory(e.part, p.plan.steps[e.step].peer);
    const link& way = memory ? machine_.memory : machine_.network;
    const double seconds = bytes(j, e.part, e.step) / way.bandwidth;
    if (e.kind == what::launched) {
      double& out = port_of(e.part, memory).out;
      const double start = std::max(now_, out);
      out = start + seconds;
      push(eager(j, e.part, e.step) ? now_ : out, what::sent, e.job, e.part, e.step);
      push(start + way.latency, what::reached, e.job, e.part, e.step);
    } else {
      port& there = port_of(mate.part, memory);
      double& in = machine_.full_duplex ? there.in : there.out;
      in = std::max(now_, in) + seconds;
      push(in, what::arrived, e.job, mate.part, mate.step);
    }
  }

  void begin(std::uint32_t j, std::uint32_t r) {
    for (std::uint32_t l = 0; l < jobs_[j].actors[r].lanes.size(); ++l) pump(j, r, l);
  }

  // Finishes and starts what may be finished and started in a lane.
  void pump(std::uint32_t j, std::uint32_t r, std::uint32_t l) {
    if (hosts_[r].computing && compute_->polled) return hosts_[r].missed.emplace_back(j, l), void();
    actor& a = jobs_[j].actors[r];
    const step_plan& plan = jobs_[j].steps->parts()[r].plan;
    const lane& way = plan.lanes[l];
    lane_state& at = a.lanes[l];
    while (at.finished < at.started && !at.handling) {
      const std::uint32_t i = way.steps[at.finished];
      const bool adds = plan.steps[i].kind == step_kind::receive_add;
      if (!a.steps[i].arrived || (adds && a.steps[i].waits > 0)) break;
      if (way.sends) {
        done(j, r, i);
        continue;
      }
      at.handling = true;
      const double seconds = machine_.message_seconds + (adds ? bytes(jobs_[j], r, i) / machine_.add_rate : 0);
      push(work(r, seconds), what::finished, j, r, i);
    }
    while (at.started < way.steps.size() && at.started - at.finished < window_) {
      const std::uint32_t i = way.steps[at.started];
      if (plan.steps[i].kind != step_kind::receive_add && a.steps[i].waits > 0) break;
      ++at.started;
      post(j, r, i, way.sends ? work(r, machine_.message_seconds) : now_);
    }
  }

  void post(std::uint32_t j, std::uint32_t r, std::uint32_t i, double time) {
    const rehearsal::end mate = jobs_[j].steps->parts()[r].mates[i];
    jobs_[j].actors[r].steps[i].posted = time;
    const bool sends = jobs_[j].steps->parts()[r].plan.steps[i].kind == step_kind::send;
    double other = jobs_[j].actors[mate.part].steps[mate.step].posted;
    if (eager(jobs_[j], r, i)) {
      if (!sends) return;
      other = time;
    }
    if (other < 0) return;
    const event launch{std::max(time, other), 0, what::launched, static_cast<std::uint16_t>(j), sends ? r : mate.part,
                       sends ? i : mate.step};
    // What is due at once need not queue.
    launch.time > now_ ? push(launch.time, launch.kind, j, launch.part, launch.step) : handle(launch);
  }

  void done(std::uint32_t j, std::uint32_t r, std::uint32_t i) {
    const rehearsal::part& p = jobs_[j].steps->parts()[r];
    actor& a = jobs_[j].actors[r];
    ++a.lanes[p.lane_of[i]].finished;
    --jobs_[j].left;
    for (std::uint32_t k = p.first_after[i]; k < p.first_after[i + 1]; ++k)
      if (--a.steps[p.after[k]].waits == 0) pump(j, r, p.lane_of[p.after[k]]);
    pump(j, r, p.lane_of[i]);
  }

  void next_op(std::uint32_t r) {
    hosts_[r].computing = true;
    push(now_ + compute_->ops[hosts_[r].op], what::op_done, 0, r, 0);
  }

  void op_done(std::uint32_t r) {
    host& h = hosts_[r];
    h.computing = false;
    for (std::size_t k = 0; k < h.missed.size(); ++k) pump(h.missed[k].first, r, h.missed[k].second);
    h.missed.clear();
    for (std::uint32_t j = 0; j < jobs_.size(); ++j)
      if (compute_->starts[j] == h.op) begin(j, r);
    if (++h.op == compute_->ops.size()) return;
    if (compute_->polled)
      push(std::max(h.free, now_), what::resumed, 0, r, 0);
    else
      next_op(r);
  }

  // Goes on computing when the poll finds nothing more to do.
  void resume(std::uint32_t r) {
    if (hosts_[r].free > now_) return push(hosts_[r].free, what::resumed, 0, r, 0);
    next_op(r);
  }

  machine machine_;
  node_map nodes_;
  std::uint32_t window_;
  std::size_t parts_ = 0;
  std::vector<job> jobs_;
  std::vector<port> network_, memory_;  // by node, by rank
  std::vector<host> hosts_;
  std::priority_queue<event> events_;
  const compute_plan* compute_ = nullptr;
  double now_ = 0;
  std::uint32_t order_ = 0;
};

}  // namespace firecaffe
