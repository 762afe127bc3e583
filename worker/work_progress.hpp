// How far a unit is: the trainer's heartbeat.
//
// The training and evaluation loops call advance() after every batch; a message leaves at most once
// a second. There is deliberately no timer thread: a trainer that hangs must fall silent.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>

#include "sweeps/trainer_protocol.hpp"

namespace calsweep::worker {

class WorkProgress {
 public:
  using Sink = std::function<void(const TrainerProgress&)>;

  /// A progress that nobody sees (tests, benchmarks).
  WorkProgress() = default;
  WorkProgress(Sink sink, const UnitId& unit, std::int64_t networks);

  /// The amount of work that advance() will add up to, in any unit.
  void set_total(double work) { total_ = work; }
  void set_doing(std::string doing) { now_.doing = std::move(doing); }
  void advance(double work);
  /// The work done is at least this much, for whatever reason.
  void reach(double work) { done_ = std::max(done_, work); }
  void networks_done(std::int64_t n) { now_.networks_done += n; }
  /// Sends a message now.
  void report();

 private:
  using Clock = std::chrono::steady_clock;

  Sink sink_;
  TrainerProgress now_;
  double total_ = 0.0, done_ = 0.0;
  Clock::time_point last_report_{};
};

}  // namespace calsweep::worker
