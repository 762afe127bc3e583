// One slot of an agent: the trainer that sits there, the unit it is at, the units waiting behind
// it.
//
// Starts the trainer when there is work, keeps it from unit to unit, replaces it after a failure.
// Turns everything that can go wrong with a process into a UnitFailed with a cause; a trainer that
// cannot be started at all makes the slot unusable instead, so that nothing is retried endlessly.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/coordinator_types.hpp"
#include "orchestrator/messages.hpp"
#include "orchestrator/trainer_process.hpp"

namespace calsweep::orchestrator {

struct SeatOptions {
  SlotId slot;
  Welcome welcome;
  TrainerStart start;
  double hello_seconds = 60.0;  ///< from start to the trainer's hello
};

class TrainerSeat {
 public:
  explicit TrainerSeat(SeatOptions options) : options_(std::move(options)) {}

  void assign(Assign assignment);
  void cancel(const UnitId& unit, Attempt attempt);
  /// Has the trainer store a checkpoint of that unit and end; the answer is a UnitStopped (or the
  /// unit's own end, if that came first).
  void stop(const UnitId& unit, Attempt attempt);
  /// The same for whatever it is at and for all that waits, and for all that may still come.
  void stop_all();
  /// Forgets all units and kills the trainer.
  void reset();
  /// Moves things along; appends what there is to tell. Returns true if anything happened.
  bool poll(double now, std::vector<Event>& events);

 private:
  struct Trainer {
    Trainer(const TrainerStart& start, double now);
    TrainerProcess process;
    bool said_hello = false;
    bool has_command = false;  ///< the front of queue_ was sent
    bool asked_to_stop = false;
    double last_heard_at;
    std::int64_t oom_kills_before;  ///< of the host, when it started
    double last_progress_told_at = -1e9;
  };

  void return_what_is_not_begun(std::vector<Event>& events);
  void ended_after_hello(const std::string& how, std::vector<Event>& events);
  bool start_trainer(double now, std::vector<Event>& events);
  void send_command(double now);
  bool read_replies(double now, std::vector<Event>& events);
  void on(const TrainerHello& hello, double now, std::vector<Event>& events);
  void on(const TrainerProgress& progress, double now, std::vector<Event>& events);
  void on(const TrainerDone& done, double now, std::vector<Event>& events);
  void on(const TrainerStopped& stopped, double now, std::vector<Event>& events);
  void on(const TrainerFailed& failed, double now, std::vector<Event>& events);
  void check_end(double now, std::vector<Event>& events);
  void check_silence(double now, std::vector<Event>& events);
  void failed_to_start(const std::string& why, bool hopeless, std::vector<Event>& events);
  void stopped_front(double fraction, std::vector<Event>& events);
  void fail_front(FailureKind kind, const std::string& cause, const std::string& message,
                  std::vector<Event>& events);
  bool is_front(const UnitId& unit, Attempt attempt) const;
  std::string log_tail() const;

  SeatOptions options_;
  std::deque<Assign> queue_;  ///< the front is what the trainer is at
  std::unique_ptr<Trainer> trainer_;
  int failed_starts_ = 0;
  bool leaving_ = false;  ///< takes nothing more
  bool unusable_ = false;
};

/// The last non-empty lines of a text file, joined by " | "; "" if there are none. For messages.
std::string last_lines(const std::filesystem::path& file, std::size_t n_lines,
                       std::size_t max_bytes);

}  // namespace calsweep::orchestrator
