// How this process was started: alone, or as one of N ranks of Open MPI. Decided from the
// launcher's variables before MPI_Init and checked against the communicator after it, so that N
// processes that each believe they are rank 0 of 1 are refused instead of all writing into one run
// directory.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "orchestrator/mpi_session.hpp"

namespace calsweep::orchestrator {

using Environment = std::map<std::string, std::string>;
Environment this_environment();

enum class Launcher {
  Alone,   ///< no launcher: MPI is never initialised
  OpenMpi  ///< mpirun, or srun with PMIx
};
struct LaunchPlan {
  Launcher launcher = Launcher::Alone;
  int expected_size = 0;  ///< tasks the launcher started; 0 if it does not say
  /// From SIGTERM to the SIGKILL that follows it, as far as the launcher is known.
  double seconds_before_kill = 20.0;
};

/// Looks at variables only. Throws UsageError for tasks that would not find each other (srun
/// without PMIx, another MPI's launcher).
LaunchPlan detect_launch(const Environment& environment);
/// Throws UsageError if the launcher started another number of tasks than found each other.
void check_launch(const LaunchPlan& plan, int communicator_size);

/// The launch of this process; owns the MPI session where there is one. Create once, early in main.
class Launch {
 public:
  /// Detects, initialises MPI where there is a launcher, checks. Throws UsageError.
  explicit Launch(const Environment& environment = this_environment());
  /// A process of its own, whatever the environment says.
  static Launch alone() { return Launch(LaunchPlan{}); }

  int rank() const { return session_ ? session_->rank() : 0; }
  int size() const { return session_ ? session_->size() : 1; }
  bool under_mpi() const { return session_ != nullptr; }
  MpiSession* session() { return session_.get(); }
  /// True if the launcher that started this process is gone (its parent changed).
  bool launcher_is_gone() const;
  /// How long a stop may take after SIGTERM or SIGINT: mpirun kills its ranks after a second, batch
  /// systems (Slurm's KillWait) and people wait longer.
  double seconds_before_kill() const { return seconds_before_kill_; }

  /// Leaves MPI and returns `exit_code`. If a peer was lost, or a signal is taking the job down
  /// (MPI_Finalize would hang), ends the process with that code instead. Call last.
  int leave(int exit_code);
  void peer_was_lost() { clean_ = false; }
  /// Rank 0: the agents have been told to leave.
  void agents_were_dismissed() { dismissed_ = true; }
  bool agents_are_dismissed() const { return dismissed_; }

 private:
  explicit Launch(const LaunchPlan& plan);
  std::unique_ptr<MpiSession> session_;
  int parent_ = 0;
  double seconds_before_kill_ = 20.0;
  bool clean_ = true, dismissed_ = false;
};

}  // namespace calsweep::orchestrator
