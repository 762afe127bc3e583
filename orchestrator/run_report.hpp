// A run in progress as a RunStatus, and its last words in the log.
#pragma once

#include "orchestrator/coordinator.hpp"
#include "orchestrator/run_sweep.hpp"
#include "orchestrator/status_file.hpp"

namespace calsweep::orchestrator {

class RunReport {
 public:
  RunReport(const UnitRun& work, const Coordinator& coordinator, double now);

  RunStatus status(double now) const;
  /// With how it ended; `finish` must be set in the coordinator.
  RunStatus final_status(double now) const;
  /// As far as it got when something broke.
  RunStatus broken_status(double now, const std::string& message) const;
  /// Writes the summary to the log.
  void say_result(double now) const;
  int exit_code() const;

 private:
  std::string result_message() const;
  std::vector<std::string> recovered() const;

  const UnitRun& work_;
  const Coordinator& coordinator_;
  double started_;
  std::string started_at_;
};

}  // namespace calsweep::orchestrator
