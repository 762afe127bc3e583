// When and what a unit's checkpoints hold, and when they go: the one place that decides.
//
//   for each stack:  begin_stack() … at_boundary() after every step … finish_stack()
//   once sealed:     remove_all()
//
// A checkpoint is written when `seconds` have passed since the last one, and when a stop is
// requested; then stacks that are finished but not sealed get files too. A checkpoint that cannot
// be written is logged once and never fails a unit.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sweeps/run_directory.hpp"
#include "sweeps/unit.hpp"
#include "sweeps/unit_file.hpp"
#include "worker/checkpoint_file.hpp"
#include "worker/work_progress.hpp"

namespace calsweep::worker {

/// Thrown at a boundary once everything worth keeping is stored. Not an error, so no CalsweepError.
struct UnitStopped {};

struct CheckpointPolicy {
  double seconds = 60.0;  ///< between two checkpoints
  std::string made_on;    ///< describe_numerics()
  std::function<bool()> stop_requested = [] { return false; };
};

class UnitCheckpoints {
 public:
  using Clock = std::chrono::steady_clock;

  /// Removes what writers of these stacks left half-written when they were killed. The progress
  /// must outlive this.
  UnitCheckpoints(const RunDirectory& directory, const WorkUnit& unit, CheckpointPolicy policy,
                  WorkProgress& progress);

  /// Looks for the stack's file; the next stack of the unit, each once. A damaged one is moved
  /// aside, a foreign one ignored. Throws UnitStopped.
  void begin_stack(const Stack& stack);
  /// What begin_stack() found in training; null: nothing.
  const StoredCheckpoint* in_training() const;
  /// Records of the stack that begin_stack() found finished.
  std::optional<std::vector<TrialRecord>> finished_records(const Stack& stack);
  /// What was found turned out not to fit: it is moved aside, and the stack starts anew.
  void reject(const std::string& why);
  /// All of the stack was done before.
  void skip_stack(const std::string& why);
  /// Training goes on from what was found.
  void resumed(const std::string& where);

  /// After a step: the stack has done `work`, and `state` saves it. Throws UnitStopped.
  void at_boundary(const VisitState& state, double work);
  /// Between two steps, while evaluating: nothing is stored unless a stop is requested. Without a
  /// `state` nothing of this stack can be. Throws UnitStopped.
  void while_evaluating(const VisitState& state, double work);

  /// The stack's records, kept for the next checkpoint until the unit is sealed.
  void finish_stack(std::vector<TrialRecord> records);
  /// The stack's stages are stored: it needs no file any more.
  void finish_stages();
  /// To be called when the unit is sealed.
  void remove_all();

  /// Shares of the unit's work: held by files now, as far as its stacks were looked at; taken from
  /// files instead of being done.
  double held_fraction() const;
  double resumed_fraction() const;

 private:
  struct FinishedStack {
    StackId id;
    double work = 0.0, held = 0.0;  // of the whole stack; of it, in its file
    std::vector<TrialRecord> records;
  };

  void remove_partial_files() const;
  void find(const StackId& id);
  void save(const VisitState& state, double work);
  /// False if it could not be written.
  bool write(const StackId& id, CheckpointKind kind, double work, const VisitState& state);
  void end_stack(double held);
  void remove(const StackId& id) const;
  double share(double work) const {
    return total_work_ > 0.0 ? std::min(1.0, work / total_work_) : 0.0;
  }

  RunDirectory directory_;
  CheckpointPolicy policy_;
  WorkProgress& progress_;
  UnitKind kind_;
  std::vector<StackId> stacks_;
  double total_work_ = 0.0;

  StackId current_;
  double current_work_ = 0.0;  // of the whole stack
  double current_held_ = 0.0;  // of it, in its file
  std::optional<StoredCheckpoint> stored_;
  std::vector<FinishedStack> unsaved_;
  double reached_ = 0.0;  // work of the stacks before the current one
  double held_ = 0.0;     // of these, in files
  double resumed_ = 0.0;
  bool complained_ = false;
  Clock::time_point last_ = Clock::now();
};

}  // namespace calsweep::worker
