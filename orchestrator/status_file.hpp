// status.json: what a run is doing, for people at another terminal or host. Replaced atomically
// about once a second by the coordinator; read by `calsweep status`, which touches no database.
// Format version 1; a reader refuses newer ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sweeps/run_directory.hpp"

namespace calsweep::orchestrator {

inline constexpr int kStatusVersion = 1;

enum class RunState { Running, Complete, Incomplete, Failed };

struct SlotStatus {
  std::string host, device;
  std::int64_t agent = 0, slot = 0;
  bool usable = true;
  std::string unit;  ///< empty: idle
  std::string doing;
  double fraction = 0.0, seconds = 0.0;  ///< of the unit; since it was assigned
  std::int64_t queued = 0;
};

struct TrialFailure {
  std::string unit, cause, message;
  std::vector<std::string> trials;
};

struct RunStatus {
  std::string sweep;
  RunState state = RunState::Running;
  std::string message;  ///< why it ended as it did; while running, why it is stopping
  std::string host, started_at, updated_at, job;
  std::int64_t pid = 0;
  double updated_unix = 0.0;
  std::int64_t trials = 0, trials_done = 0, trials_reused = 0, trials_running = 0,
               trials_set_aside = 0, trials_diverged = 0;
  std::int64_t units = 0, units_done = 0, units_running = 0, units_set_aside = 0;
  std::int64_t failures = 0;   ///< attempts that failed in this run
  double work_fraction = 1.0;  ///< of this run's estimated FLOPs, running units counted in part
  double elapsed_seconds = 0.0;
  double units_per_second = 0.0, trials_per_second = 0.0;
  double left_seconds = 0.0, left_low_seconds = 0.0, left_high_seconds = 0.0;  ///< 0: unknown
  std::vector<SlotStatus> slots;
  std::vector<TrialFailure> set_aside;  ///< at most 100 units
  std::vector<std::string> recovered;   ///< sentences, at most 100
};

/// Replaces status.json (rename, without flushing to disk: a lost second is no loss). Throws
/// IoError.
void write_status(const RunDirectory& run, const RunStatus& status);
/// Throws UsageError if there is none (never run), FormatError if damaged or of a newer version.
RunStatus read_status(const RunDirectory& run);

/// For people, several lines. `now_unix` against `updated_unix` shows whether the coordinator
/// lives.
std::string format_status(const RunStatus& status, double now_unix);
/// The same as JSON, as stored.
std::string status_json(const RunStatus& status);

/// "45 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
std::string format_duration(double seconds);

}  // namespace calsweep::orchestrator
