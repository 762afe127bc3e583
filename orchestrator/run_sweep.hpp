// A sweep from plan to the last sealed unit, in whatever way this process was launched.
//
//   Launch launch;                                        // early in main, before anything else
//   int code = with_agents(launch, options, [&] {         // rank 0, or alone
//     … read the spec, prepare the directory …
//     return run_sweep(sweep, run, options, launch);
//   });
//   return launch.leave(code);
//
// The other ranks serve as agents inside with_agents() and never run the function; they learn
// everything by message, so only rank 0 reads the spec.
#pragma once

#include <signal.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/launch.hpp"
#include "orchestrator/progress_display.hpp"
#include "sweeps/errors.hpp"
#include "sweeps/run_directory.hpp"
#include "sweeps/sweep.hpp"
#include "sweeps/unit.hpp"

namespace calsweep::orchestrator {

/// What the command line decides; every rank has parsed the same one.
struct RunOptions {
  int slots = 0;                  ///< trainers per agent; 0: by GPUs, else a share of the cores
  int slots_per_gpu = 1;          ///< where `slots` is 0 and there are GPUs
  std::string bind = "auto";      ///< trainers to CPUs: "auto", "none", "cores" or "numa"
  std::filesystem::path trainer;  ///< calsweep-trainer; must exist on every host
  std::string device = "auto";    ///< "auto", "cpu" or "cuda"
  bool take_over = false;         ///< take the lock of a silent holder on another host
  bool no_op = false;             ///< for benchmarks: agents answer at once, nothing is trained
  std::optional<DisplayMode> display;  ///< absent: live on a terminal, plain otherwise
  /// Called once the run directory is ours, before anything in it is read or written.
  std::function<void()> with_lock_held;
  int stop_signal = SIGUSR1;  ///< asks to store checkpoints and stop, beside TERM, INT and HUP
  std::optional<double> time_seconds;  ///< this run's time limit; absent: ask the batch system
  double time_margin_seconds = 60.0;   ///< before that limit the run stops in good order
  double agent_silence_seconds = 60.0;  ///< an agent not heard of for so long is lost
  double lock_wait_seconds = 10.0;
  double hello_seconds = 60.0;  ///< for a trainer to start
};

/// Trains every trial of `sweep` that the run directory does not hold yet. Rank 0 or alone; the
/// directory exists and holds the spec as run. Takes the lock, reconciles ledger and files, runs,
/// says in the log what happened. Returns kExitDone, kExitFailures (some trials set aside),
/// kExitIncomplete (stopped), or kExitInternal (disk full, no usable slot). Throws UsageError if
/// the directory is in use, IoError if it cannot be written.
int run_sweep(const Sweep& sweep, const RunDirectory& run, const RunOptions& options,
              Launch& launch);

/// What run_sweep does after packing; for benchmarks and tests that bring their own units.
struct UnitRun {
  std::string name;
  std::vector<WorkUnit> units;
  std::int64_t trials_total = 0, trials_reused = 0, diverged_before = 0;
  ExecutionOptions execution;
  std::string data_root, inventory;
};
class Ledger;
class RunLock;
int run_units(const UnitRun& work, Ledger& ledger, RunLock& lock, const RunDirectory& run,
              const RunOptions& options, Launch& launch);

/// Serves the coordinator until it says goodbye (kExitDone), or until it is gone (kExitInternal).
int serve_as_agent(Launch& launch, const RunOptions& options);

/// Rank 0 and alone: runs `coordinator` and returns its code; afterwards, and also when it throws,
/// the other ranks are told to leave (they would wait for ever otherwise). Other ranks: serves.
int with_agents(Launch& launch, const RunOptions& options, const std::function<int()>& coordinator);

}  // namespace calsweep::orchestrator
