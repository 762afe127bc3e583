// lock.json: one coordinator at a time in a run directory.
//
// An operating-system lock on the file (it vanishes with its process) decides; the content, JSON
// with host, pid, process start time, job id and heartbeat, says who holds it, and decides where
// locks do not reach from host to host. Format version 1, written by this file only.
#pragma once

#include <filesystem>
#include <string>

namespace calsweep::orchestrator {

struct LockOptions {
  bool take_over = false;        ///< take a lock whose holder on another host has gone silent
  double wait_seconds = 10.0;    ///< ranks of a killed mpirun live on for up to 3 s
  double silent_seconds = 60.0;  ///< a heartbeat older than this is old
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
