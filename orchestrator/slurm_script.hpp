// A Slurm job as a batch script for people to read: a comment per block, shellcheck-clean.
//
// The script starts the sweep on all nodes, passes Slurm's warning on, tries a crashed start again,
// and puts the job back into the queue while the sweep is incomplete (exit code 75). Rank 0 leaves
// its exit code in a file (calsweep run --exit-code-file), because the launchers' own codes tell
// other things too. With several nodes the tasks are dealt in turn: task 0, the coordinator, and
// the last task, an agent, share the first node; the other nodes have one agent each.
#pragma once

#include <string>

#include "orchestrator/slurm_job.hpp"

namespace calsweep::orchestrator {

/// `job` has passed check_job and complete_job.
std::string slurm_script(const SlurmJob& job);

/// Where the job's output goes, with Slurm's placeholders: DIR/slurm/%j.out.
std::filesystem::path slurm_output(const SlurmJob& job);

}  // namespace calsweep::orchestrator
