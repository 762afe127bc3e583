// What the batch system knows of a job: when it will end it, and whether it still runs it. Asked
// from Slurm's variables and programs; no answer is an answer, never an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "orchestrator/launch.hpp"

namespace calsweep::orchestrator {

/// When the batch system will end this job, seconds since 1970: $SLURM_JOB_END_TIME, else what
/// squeue or scontrol say (up to 5 s each). Empty outside a job, without a limit, or if nobody
/// answers.
std::optional<double> job_end_unix(const Environment& environment);

/// Seconds in Slurm's notations: "90" (minutes), "90:30", "1:30:00", "2-12" (days-hours),
/// "2-12:00", "2-12:00:00". Throws UsageError for anything else and for nothing at all ("0").
double parse_duration(std::string_view text);

/// Seconds in the longest of those notations: "2-12:00:00" or "01:30:00". Rounded to a second.
std::string slurm_duration(double seconds);

/// The state of a Slurm job as squeue names it ("RUNNING", "PENDING", "COMPLETED" …); "" if Slurm
/// has forgotten it, nullopt if it cannot be asked (no squeue, no controller, more than 5 s).
std::optional<std::string> job_state(const std::string& job_id);

/// True for states in which processes of the job may be alive.
bool may_have_processes(const std::string& job_state);

}  // namespace calsweep::orchestrator
