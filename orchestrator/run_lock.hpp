// lock.json: one coordinator at a time in a run directory.
//
// An operating-system lock on the file (it vanishes with its process) decides; the content, JSON
// with host, pid, process start time, job id and heartbeat, says who holds it, and decides where
// locks do not reach from host to host. The lock of a job that has ended, by Slurm's account, is
// taken over once its heartbeat stands still. Format version 1, written by this file only.
#pragma once

#include <filesystem>
#include <string>

namespace calsweep::orchestrator {

struct LockOptions {
  bool take_over = false;      ///< take a lock whose holder on another host has gone silent
  double wait_seconds = 10.0;  ///< ranks of a killed mpirun live on for up to 3 s
  double wait_for_own_job_seconds = 180.0;  ///< an earlier start of this job, on a lost node
  double silent_seconds = 60.0;             ///< a heartbeat older than this is old
  double watch_seconds = 11.0;  ///< two heartbeats: to see that a job that is over stands still
};

class RunLock {
 public:
  /// Acquires. Throws UsageError saying who holds it, IoError if the file cannot be written.
  RunLock(std::filesystem::path file, const LockOptions& options);
  ~RunLock();  ///< marks it released
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Renews the heartbeat if the last one is more than 5 s old. Never throws.
  void beat();

 private:
  void acquire(const LockOptions& options);
  void judge_previous_holder(const LockOptions& options, bool locked);
  void write_content(bool held);

  std::filesystem::path file_;
  int fd_ = -1;
  double last_beat_ = 0.0;
  std::string since_;
};

/// The scheduler's job id of this process ("" outside a job).
std::string job_id();

}  // namespace calsweep::orchestrator
